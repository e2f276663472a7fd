#!/usr/bin/env python3
"""Calibrate 'none of these': tools/calibrate.py KNOWN --labels ... --out rule.json"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.calibrate import main

if __name__ == '__main__':
    sys.exit(main())

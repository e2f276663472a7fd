#!/usr/bin/env python3
"""Run a protocol from training to report: tools/run_protocol.py base2novel --dataset hmdb51"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.run_protocol import main

if __name__ == '__main__':
    sys.exit(main())

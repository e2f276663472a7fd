#!/usr/bin/env python3
"""Look into, compare, average and publish trained adapters: tools/checkpoint.py info FILE"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.checkpoint import main

if __name__ == '__main__':
    sys.exit(main())

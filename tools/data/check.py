#!/usr/bin/env python3
"""Check lists and videos before a run; exit status 1 if the data have errors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.msta.commands.check import main

if __name__ == '__main__':
    sys.exit(main())

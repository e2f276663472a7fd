#!/usr/bin/env python3
"""Make lists of videos from official annotation files, and the splits of the protocols from lists."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.msta.commands.make_splits import main

if __name__ == '__main__':
    sys.exit(main())

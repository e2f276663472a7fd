#!/usr/bin/env python3
"""From a folder of videos to a recogniser: tools/adapt.py my_videos --out work_dirs/mine"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.adapt import main

if __name__ == '__main__':
    sys.exit(main())

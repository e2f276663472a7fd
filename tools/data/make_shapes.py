#!/usr/bin/env python3
"""Render the Shapes world: mp4 videos of moving shapes, with lists, labels and descriptions."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.msta.commands.make_shapes import main

if __name__ == '__main__':
    sys.exit(main())

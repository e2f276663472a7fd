#!/usr/bin/env python3
"""The main job on the Shapes world: render, train MSTA, test it beside the frozen model."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.demo import main

if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Train a model: tools/train.py configs/msta_tiny_shapes.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.train import main

if __name__ == '__main__':
    sys.exit(main())

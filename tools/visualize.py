#!/usr/bin/env python3
"""Draw what a model does: tools/visualize.py attention VIDEO --out attention.png"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.visualize import main

if __name__ == '__main__':
    sys.exit(main())

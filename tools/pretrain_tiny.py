#!/usr/bin/env python3
"""Train the tiny ViCLIP that ships with the project, on the plain domain of the Shapes world."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.commands import pretrain_tiny as main

if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Test a model: tools/test.py CONFIG CHECKPOINT; CHECKPOINT none tests the frozen foundation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.test import main

if __name__ == '__main__':
    sys.exit(main())

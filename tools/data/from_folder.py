#!/usr/bin/env python3
"""Make lists and a class list of your own videos, kept in a folder for each class."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.msta.commands.from_folder import main

if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Label and embed the videos of a list, resumably: tools/collection.py LIST --out FOLDER"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.collection import main

if __name__ == '__main__':
    sys.exit(main())

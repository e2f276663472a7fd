#!/usr/bin/env python3
"""Recognise any labels in any video: tools/infer.py VIDEO... --labels "a, b, c" """

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.infer import main

if __name__ == '__main__':
    sys.exit(main())

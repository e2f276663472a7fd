#!/usr/bin/env python3
"""Export a model to ONNX: tools/export.py OUT_FOLDER --config ... --checkpoint ..."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.export import main

if __name__ == '__main__':
    sys.exit(main())

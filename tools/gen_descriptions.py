#!/usr/bin/env python
"""Write spatial and temporal descriptions of action classes with a language model."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.gen_descriptions import main

if __name__ == '__main__':
    sys.exit(main())

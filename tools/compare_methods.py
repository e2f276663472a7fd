#!/usr/bin/env python3
"""Compare methods on a protocol: tools/compare_methods.py base2novel --dataset shapes --search"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.compare_methods import main

if __name__ == '__main__':
    sys.exit(main())

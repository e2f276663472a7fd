#!/usr/bin/env python3
"""Say what is installed, what is wrong with it, and how to fix it: tools/doctor.py [CONFIG ...]"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.doctor import main

if __name__ == '__main__':
    sys.exit(main())

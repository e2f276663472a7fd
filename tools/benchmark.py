#!/usr/bin/env python3
"""Speed and memory of the real-size model beside a plain implementation of the same."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.commands import benchmark as main

if __name__ == '__main__':
    sys.exit(main())

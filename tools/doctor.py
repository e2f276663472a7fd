#!/usr/bin/env python3
"""Say what is installed, what is wrong with it, and what mends it: tools/doctor.py [CONFIG ...]"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.doctor import report


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description='Say what is installed, what is wrong with it, and the command that mends it. '
        'The exit status is 1 if something is broken.'
    )
    parser.add_argument(
        'configs', nargs='*', help='configs whose foundation weights are looked for (all)'
    )
    return 0 if report(parser.parse_args(argv).configs) else 1


if __name__ == '__main__':
    sys.exit(main())

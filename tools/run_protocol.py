#!/usr/bin/env python3
"""Run a protocol from training to report: tools/run_protocol.py base2novel --dataset hmdb51

Trains and tests what is not done yet (killed, the same command continues), and writes report.json,
report.md and plots, beside the published numbers. What each protocol is: docs/protocols.md.
"""

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.protocol_arguments import add_arguments


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    args.arguments = sys.argv[1:] if argv is None else argv
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    from projects.msta.commands import run_protocol

    return run_protocol.main(args)


if __name__ == '__main__':
    # As Ctrl-C: what runs is ended too, and continues with the next call.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())

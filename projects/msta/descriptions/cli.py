"""Entry of the description tool. Only argparse is imported before the arguments are read."""

import os
import sys
from collections.abc import Sequence

from projects.msta.descriptions.arguments import build_parser, usage_problem


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    problem = usage_problem(arguments)
    if problem:
        parser.error(problem)
    from projects.msta.descriptions import commands
    from projects.msta.descriptions.schema import DescriptionError
    from projects.msta.labels import LabelError

    try:
        return commands.run(arguments)
    except (DescriptionError, LabelError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe (head, less) has left; there is no one to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1

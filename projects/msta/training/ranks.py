"""Several processes of a tool by PyTorch's launcher, whose end is told in a line.

``python -m projects.msta.training.ranks`` takes the arguments of ``torch.distributed.run``. Its
exit status is the tool's where that failed or was interrupted, and 1 where a process was killed.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from typing import Any


def main(argv: list[str] | None = None) -> int:
    """Launch, wait, and say what ended the processes."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.main(argv)
    except SignalException as stopped:
        print(f'stopped by {stopped.sigval.name}', file=sys.stderr)
        return 128 + stopped.sigval
    except ChildFailedError as failed:
        message, status = describe(failed.failures)
        print(message, file=sys.stderr)
        return status
    return 0


def describe(failures: Mapping[int, Any]) -> tuple[str, int]:
    """What the processes died of, and the status to leave with.

    Args:
        failures: by rank, with an ``exitcode``, negative for a signal, and a ``pid``. What the
            launcher ended because of the first (SIGTERM), or what lost its partner, is not named.
    """

    def origin(rank: int) -> tuple[bool, int]:
        code = failures[rank].exitcode
        return code >= 0 or code == -signal.SIGTERM, rank

    rank = min(failures, key=origin)
    code, process = failures[rank].exitcode, f'rank {rank} (process {failures[rank].pid})'
    if code < 0:
        name = signal.Signals(-code).name
        hint = ', often for want of memory' if -code == signal.SIGKILL else ''
        return (
            f'error: {process} was killed by {name}{hint}; the other processes were ended. What '
            'was saved is intact: in training, --resume continues from it',
            1,
        )
    return f'{process} ended with status {code}, and the other processes with it', code


if __name__ == '__main__':
    sys.exit(main())

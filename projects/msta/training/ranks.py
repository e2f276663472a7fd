"""Several processes of a tool by PyTorch's launcher; what ended them is said once.

``python -m projects.msta.training.ranks`` takes the arguments of ``torch.distributed.run``. Its
exit status is the tool's where that failed or was interrupted, and 1 where a process was killed.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Where the launcher lets a process say why it ends, and that this launcher will read it.
_FILE, _OURS = 'TORCHELASTIC_ERROR_FILE', 'MSTA_RANKS'


def main(argv: list[str] | None = None) -> int:
    """Launch, wait, and say what ended the processes."""
    # The launcher's own account of a failure, of which it does not know the cause; read at import.
    os.environ.setdefault('LOGLEVEL', 'CRITICAL')
    # torch's C++ stack traces of a node that does not come; not those of the processes.
    quiet = os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'FATAL')
    logging.getLogger('torch.distributed.elastic').setLevel(logging.CRITICAL)
    try:
        from torch.distributed import DistError, run
    except ModuleNotFoundError as error:
        print(
            f'error: {error.name} is not installed for {sys.executable}; source .venv/bin/activate '
            '(make setup makes it), or name another: PYTHON=.venv/bin/python',
            file=sys.stderr,
        )
        return 2
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    if quiet == 'FATAL':
        del os.environ['TORCH_CPP_LOG_LEVEL']
    os.environ[_OURS] = '1'
    args = run.parse_args(argv)
    node = f'node {args.node_rank} of {args.nnodes}'
    where = f'{args.master_addr}:{args.master_port}'
    if args.nnodes != '1':
        print(f'{node}: waiting for the others at {where}', file=sys.stderr)
    try:
        run.main(argv)
    except DistError as error:  # of the launchers' meeting; a process's own is its exit status
        print(
            f'error: {node} did not meet the others at {where} ({str(error).splitlines()[0]}): '
            'start the same command on every node, NODE_RANK from 0, with the same NNODES, '
            'MASTER_ADDR (of node 0) and a free PORT that the network lets through. To wait '
            'longer: PET_RDZV_CONF=timeout=SECONDS',
            file=sys.stderr,
        )
        return 2
    except SignalException as stopped:
        print(f'stopped by {stopped.sigval.name}', file=sys.stderr)
        return 128 + stopped.sigval
    except ChildFailedError as failed:
        message, status = describe(failed.failures)
        print(message, file=sys.stderr)
        return status
    return 0


def say(text: str, consequence: bool = False) -> None:
    """Say why this process ends: to its launcher, which says it once for all, or on stderr.

    ``consequence``: it only follows from the end of another process.
    """
    file = os.environ.get(_FILE)
    if not file or not os.environ.get(_OURS):
        print(text, file=sys.stderr)
        return
    told = {'consequence': consequence, 'time_ns': time.time_ns()}
    extra = {'timestamp': str(int(time.time())), 'py_callstack': '', **told}
    Path(file).write_text(json.dumps({'message': {'message': text, 'extraInfo': extra}}))


def describe(failures: Mapping[int, Any]) -> tuple[str, int]:
    """What the processes died of, and the status to leave with.

    ``failures`` are the launcher's, by rank, with what the process said (:func:`say`). The first
    cause is named: not what the launcher ended because of it (SIGTERM), and not what lost its
    partner.
    """

    def told(rank: int) -> dict[str, Any]:
        message = failures[rank].error_file_data.get('message')
        return message if isinstance(message, dict) else {}

    def origin(rank: int) -> tuple[bool, bool, int, int]:
        code, extra = failures[rank].exitcode, told(rank).get('extraInfo', {})
        killed = code < 0 and code != -signal.SIGTERM
        return not killed, extra.get('consequence', True), int(extra.get('time_ns', 0)), rank

    rank = min(failures, key=origin)
    code, process = failures[rank].exitcode, f'rank {rank} (process {failures[rank].pid})'
    if code < 0:
        name = signal.Signals(-code).name
        hint = ', often because memory ran out' if -code == signal.SIGKILL else ''
        return (
            f'error: {process} was killed by {name}{hint}; the other processes were ended. What '
            'was saved is intact: in training, --resume continues from it',
            1,
        )
    ended = f'{process} ended with status {code}, and the other processes with it'
    said = told(rank).get('message')
    return (f'{said}\n{ended}' if said else ended), code


if __name__ == '__main__':
    sys.exit(main())

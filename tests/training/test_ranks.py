"""What ended a run of several processes, told from how each of them ended."""

import signal
from types import SimpleNamespace

import pytest

from projects.msta.training.ranks import describe


def failures(**codes: int) -> dict[int, SimpleNamespace]:
    return {
        int(name[1:]): SimpleNamespace(exitcode=code, pid=100 + int(name[1:]))
        for name, code in codes.items()
    }


@pytest.mark.parametrize(
    ('ended', 'said', 'status'),
    [
        # The partner of a killed process loses its connection, or is ended by the launcher.
        (failures(r0=2, r1=-signal.SIGKILL), 'rank 1 (process 101) was killed by SIGKILL', 1),
        (failures(r0=-signal.SIGTERM, r3=-signal.SIGSEGV), 'rank 3 (process 103) was killed', 1),
        (failures(r1=2, r2=-signal.SIGKILL), 'rank 2', 1),
        (failures(r0=2), 'rank 0 (process 100) ended with status 2', 2),
        (failures(r0=143, r1=143), 'rank 0 (process 100) ended with status 143', 143),
    ],
)
def test_the_first_cause_is_named(ended, said, status):
    message, left_with = describe(ended)
    assert message.removeprefix('error: ').startswith(said) and left_with == status

"""Breaks things on purpose and counts what is lost: `make chaos` prints the table.

A test breaks something under :meth:`Chaos.attempt`; every attempt is counted, and one that ends
without an error as survived.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest


@dataclass
class Attempt:
    """One thing broken once.

    Args:
        seen: what the user sees of it, as it goes into the table.
        times: how many there are of it, where one check stands for many.
    """

    seen: str = ''
    times: int = 1


@dataclass
class Row:
    tried: int = 0
    survived: int = 0
    seen: list[str] = field(default_factory=list)


class Chaos:
    """Counts attempts by fault.

    Args:
        full: whether to break things as often as `make chaos` does, or a few times.
    """

    def __init__(self, full: bool) -> None:
        self.full = full
        self.rows: dict[str, Row] = {}

    def times(self, short: int, full: int) -> int:
        """Repetitions: of the short version in `make test`, or of `make chaos`."""
        return full if self.full else short

    @contextmanager
    def attempt(self, fault: str, seen: str = '', times: int = 1) -> Iterator[Attempt]:
        """Count what the block does as tries of ``fault``, survived if it raises nothing.

        ``seen`` and ``times`` can be set on the attempt within the block.
        """
        row = self.rows.setdefault(fault, Row())
        attempt = Attempt(seen, times)
        try:
            yield attempt
            row.survived += attempt.times
        finally:
            row.tried += attempt.times
            if attempt.seen and attempt.seen not in row.seen:
                row.seen.append(attempt.seen)

    def table(self) -> list[str]:
        """Lines of a Markdown table."""
        lines = ['| fault | tried | survived | what the user sees |', '|---|---|---|---|']
        for fault, row in sorted(self.rows.items()):
            seen = row.seen[0].replace('|', '\\|') if row.seen else ''
            seen += f' (and {len(row.seen) - 1} other messages)' if len(row.seen) > 1 else ''
            lines.append(f'| {fault} | {row.tried} | {row.survived} | {seen} |')
        return lines


_CHAOS = pytest.StashKey[Chaos]()


@pytest.fixture(scope='session')
def chaos(request) -> Chaos:
    """The session's account of faults."""
    made = Chaos(request.config.getoption('--chaos') == 'full')
    request.config.stash[_CHAOS] = made
    return made


def pytest_terminal_summary(terminalreporter, config):
    chaos = config.stash.get(_CHAOS, None)
    if chaos is not None and chaos.full and chaos.rows:
        terminalreporter.section('faults')
        terminalreporter.write_line('\n'.join(chaos.table()))

"""A line that tells how far a run is, how fast, and what it has cost."""

import sys

from tqdm import tqdm

from projects.msta.descriptions.endpoint import Counts
from projects.msta.descriptions.estimate import Prices


class ProgressLine:
    """Shows classes done, rate, time left, retries and cost on standard error."""

    def __init__(self, total: int, done: int, counts: Counts, prices: Prices):
        self._counts = counts
        self._prices = prices
        # Without a terminal a line every half minute keeps logs readable.
        self._bar = tqdm(
            total=total,
            initial=done,
            unit='class',
            file=sys.stderr,
            mininterval=0.2 if sys.stderr.isatty() else 30,
            dynamic_ncols=True,
        )

    def update(self, done: int) -> None:
        """Set how many classes are done."""
        counts = self._counts
        shown = {'retries': counts.retries, 'rejected': counts.rejected}
        cost = self._prices.cost(counts.prompt_tokens, counts.completion_tokens)
        postfix = ', '.join(f'{name} {value}' for name, value in shown.items())
        if cost is not None:
            postfix += f', ${cost:.4f}'
        self._bar.set_postfix_str(postfix, refresh=False)
        self._bar.update(done - self._bar.n)

    def note(self, message: str) -> None:
        """Print a line without breaking the bar."""
        self._bar.write(message, file=sys.stderr)

    def close(self) -> None:
        self._bar.close()

"""What the whole suite shares: the option of `make chaos`, and an experiment in miniature."""

import os

import pytest

# Before torch is imported, for the suite and what it starts: test files run side by side, where
# threads of each would wait for each other's cores. Results to the last bit are also those of one.
os.environ['OMP_NUM_THREADS'] = '1'


def pytest_addoption(parser):
    parser.addoption(
        '--chaos',
        choices=['short', 'full'],
        default='short',
        help='how often tests/chaos breaks things: a few times, or as `make chaos` does',
    )


@pytest.fixture(scope='session', autouse=True)
def formatted_once():
    """A Runner lays its config out as Python three times, most of a training in miniature."""
    from mmengine.config import config

    formatted: dict[str, tuple[str, bool]] = {}
    lay_out = config.FormatCode

    def once(text: str, **options) -> tuple[str, bool]:
        if text not in formatted:
            formatted[text] = lay_out(text, **options)
        return formatted[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, 'FormatCode', once)
        yield


@pytest.fixture(scope='session')
def experiment(tmp_path_factory):
    """A :class:`tests.experiment.Experiment`, for tools as processes of their own."""
    from tests.experiment import make_experiment

    return make_experiment(tmp_path_factory.mktemp('experiment'))

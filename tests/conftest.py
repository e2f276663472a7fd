"""What the whole suite shares: the option of `make chaos`, and an experiment in miniature."""

import os

import pytest

# Before torch is imported, for the suite and what it starts: test files run side by side, where
# threads of each would wait for each other's cores. Results to the last bit are also those of one.
os.environ['OMP_NUM_THREADS'] = '1'

from tests.tiny import inferencer, run, tiny  # noqa: F401 - fixtures


def pytest_addoption(parser):
    parser.addoption(
        '--chaos',
        choices=['short', 'full'],
        default='short',
        help='how often tests/chaos breaks things: a few times, or as `make chaos` does',
    )


@pytest.fixture(scope='session')
def experiment(tmp_path_factory):
    """A :class:`tests.experiment.Experiment`, for tools as processes of their own."""
    from tests.experiment import make_experiment

    return make_experiment(tmp_path_factory.mktemp('experiment'))

"""Options of the whole suite."""


def pytest_addoption(parser):
    parser.addoption(
        '--chaos',
        choices=['short', 'full'],
        default='short',
        help='how often tests/chaos breaks things: a few times, or as `make chaos` does',
    )

import pytest
from mmengine.registry import DefaultScope

import projects.msta.register  # noqa: F401


@pytest.fixture(autouse=True)
def _default_scope():
    """Pipelines are looked up among MMAction2's transforms, as under a Runner."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield

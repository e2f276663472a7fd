"""Registers every component in MMAction2's registries; configs import it by ``custom_imports``."""

from . import compat

compat.apply()  # before anything of OpenMMLab is imported

from . import engine, models  # noqa: E402, F401
from .datasets import sampling, transforms, video_dataset  # noqa: E402, F401
from .evaluation import metric, multi_label  # noqa: E402, F401

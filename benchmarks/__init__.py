"""Speed beside plain and reference implementations; pre-training of the tiny model."""

from typing import Any

from projects.msta.training.config import read_config


def tiny_arch() -> dict[str, Any]:
    """Return the architecture of the weights that ship with the project, as its config says it."""
    return dict(read_config('msta_tiny_shapes').model.backbone.foundation.arch)

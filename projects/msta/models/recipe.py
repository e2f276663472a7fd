"""What trained adapters say of their use: labels, prompts, views. JSON in a tensor of bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

from .belonging import CheckpointError

# A pipeline from a file may name these alone: a registry would import whatever a name points to.
STEPS = frozenset(
    [
        'MSTAVideoInit', 'MSTADecordInit', 'DecordInit', 'DecordDecode', 'UniformSample',
        'SampleFrames', 'Resize', 'CenterCrop', 'ThreeCrop', 'TenCrop', 'FormatShape',
        'PackActionInputs',
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How a model was meant to be used; None where it is not known.

    ``logit_scale`` is the head's own, None for the foundation's. ``test_pipeline`` is there only if
    every step is one of :data:`STEPS` and has plain settings. With ``multi_class`` a video may have
    several labels: those whose probability reaches ``threshold``.
    """

    labels: list[str] | None = None
    templates: list[str] | None = None
    logit_scale: float | None = None
    average_clips: str | None = 'prob'
    test_pipeline: Sequence[Mapping[str, Any]] | None = None
    multi_class: bool = False
    logit_bias: float | None = None
    threshold: float | None = None

    def pack(self) -> Tensor:
        """Bytes ``(N,)``, uint8, safe to read anywhere."""
        given = asdict(self)
        if not is_portable(self.test_pipeline):
            given['test_pipeline'] = None
        return torch.tensor(list(json.dumps(given).encode()), dtype=torch.uint8)

    @classmethod
    def unpack(cls, packed: Tensor) -> Recipe:
        """Read what :meth:`pack` wrote; fields that a later version may add are left out.

        Raises:
            CheckpointError: it is damaged, or names a step that a file may not ask for.
        """
        try:
            given = json.loads(bytes(packed.tolist()))
            known = {field.name: given[field.name] for field in fields(cls) if field.name in given}
            recipe = cls(**known)
            texts = [*(recipe.labels or []), *(recipe.templates or [])]
            numbers = [recipe.logit_scale, recipe.logit_bias, recipe.threshold]
        except (ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f'what it says of its labels is damaged: {error!r}') from error
        if not all(isinstance(text, str) for text in texts):
            raise CheckpointError('what it says of its labels is damaged: names that are not text')
        if not all(isinstance(number, (int, float)) for number in numbers if number is not None):
            raise CheckpointError('what it says of its labels is damaged: a scale without a number')
        if not is_portable(recipe.test_pipeline):
            raise CheckpointError('its test pipeline names steps that no checkpoint may ask for')
        pipeline = recipe.test_pipeline and [_with_tuples(step) for step in recipe.test_pipeline]
        return cls(**{**known, 'test_pipeline': pipeline})


def is_portable(pipeline: Any) -> bool:
    """Whether a checkpoint may carry these steps: known ones, with plain settings; or None."""
    if pipeline is None:
        return True
    return isinstance(pipeline, Sequence) and all(
        isinstance(step, Mapping)
        and isinstance(step.get('type'), str)
        and step['type'] in STEPS
        and all(_is_plain(value) for value in step.values())
        for step in pipeline
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (str, int, float, bool))


def _with_tuples(step: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows lists alone; the transforms tell pairs by their being tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in step.items()}

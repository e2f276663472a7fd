"""Pipelines of a config: their views are those of its foundation, or the config is refused."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from ..foundation import OPEN_FACTS, Architecture, FoundationError, resolve_architecture
from ..models.preprocessing import preprocessor_of
from .config_check import ConfigError, datasets_of

if TYPE_CHECKING:
    from mmengine.config import Config


def use_foundation(cfg: Config) -> None:
    """Give the pipelines of a config the interpolation of its foundation, where they say none.

    Pixel statistics, interpolation and, in testing, the way frames come to their size belong to
    the foundation's weights.

    Raises:
        ConfigError: the config says otherwise, with every place; in training alone a view may have
            any shape, as an augmentation.
    """
    backbone = (cfg.get('model') or {}).get('backbone') or {}
    foundation = dict(backbone.get('foundation') or {})
    if backbone.get('type') != 'MSTABackbone' or not {'type', 'arch'} <= set(foundation):
        return
    for path in ('checkpoint', 'token_embedding'):
        foundation.pop(path, None)
    if set(foundation) - {'type', 'arch', *OPEN_FACTS}:
        return  # the model refuses it, with the nearest key
    try:
        arch = resolve_architecture(foundation.pop('type'), foundation.pop('arch'), **foundation)
        preprocessor_of(arch, cfg.model.get('data_preprocessor'))
    except FoundationError as error:
        raise ConfigError(str(error)) from error
    problems: list[str] = []
    for place, pipeline, testing in _pipelines(cfg):
        problems += _follow(arch, place, pipeline, testing)
    if problems:
        name = getattr(cfg, 'filename', None)
        raise ConfigError(
            (f'{name}: ' if name else '')
            + '\n  '.join(problems)
            + '\n  Scores would be wrong, or lower than they are. Change the pipeline, or say what '
            'the weights were trained with: model.backbone.foundation.resize, .interpolation'
        )


def _pipelines(cfg: Config) -> Iterator[tuple[str, Sequence[Any], bool]]:
    """Place, steps, and whether it is a view for testing, of all pipelines that are run."""
    for part in ('train', 'val', 'test'):
        for place, dataset in datasets_of(cfg, part):
            if dataset.get('pipeline'):
                yield f'{place}.pipeline', dataset['pipeline'], part != 'train'
    if cfg.get('test_pipeline'):
        yield 'test_pipeline', cfg['test_pipeline'], True


def _follow(
    arch: Architecture, place: str, pipeline: Sequence[Any], testing: bool
) -> Iterator[str]:
    squash = arch.resize == 'squash'
    for number, step in enumerate(pipeline):
        if not isinstance(step, MutableMapping) or step.get('type') != 'Resize':
            continue
        if arch.interpolation is not None:
            own = step.setdefault('interpolation', arch.interpolation)
            if own != arch.interpolation:
                yield (
                    f'{place}.{number}: Resize has interpolation={own!r}, the foundation '
                    f'{arch.interpolation!r}'
                )
        if testing and arch.resize is not None and step.get('keep_ratio', True) == squash:
            rule = 'keep_ratio=False' if squash else 'the short side alone, then crop'
            yield (
                f'{place}.{number}: Resize has keep_ratio={step.get("keep_ratio", True)}, but the '
                f'frames of the foundation are to be scaled by resize={arch.resize!r}: {rule}'
            )

"""Recognizers to run: from a config, a preset, a foundation file or a trained checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

import projects.msta.register  # noqa: F401

from ..foundation import Architecture, load_foundation, resolve_architecture, said_by_config
from ..foundation.weights import FOUNDATION_DIR, KNOWN_WEIGHTS, TINY_SHAPES
from ..models import MSTARecognizer
from ..models.checkpoints import CheckpointError, Facts, read_checkpoint
from ..paths import CONFIGS
from ..spelling import similar
from ..training.config import ConfigError, read_config
from ..training.config_check import check_parts
from ..training.preprocessing import use_foundation

_TRAINING_ONLY = ('train_cfg', 'test_cfg')


def use_scope() -> None:
    """Make MMAction2's registries the default ones, as the Runner does."""
    if DefaultScope.get_current_instance() is None:
        DefaultScope.get_instance('msta', scope_name='mmaction')


def resolve_config(
    config: str | Path | Config | Mapping[str, Any] | None,
    checkpoint: str | Path | None = None,
    foundation: str | Path | None = None,
) -> Config:
    """The config that a user means.

    Args:
        config: a config, its file, the name of one in ``configs/``, or a foundation's weights (file
            or folder). None: what ``checkpoint`` says of itself, else the shipped tiny model.
        checkpoint: a file of trained adapters.
        foundation: weights to read in the place of the config's.
    """
    if isinstance(config, (Config, Mapping)):
        cfg = Config(config._cfg_dict.to_dict() if isinstance(config, Config) else dict(config))
    elif config is not None and _is_config_name(str(config)):
        cfg = read_config(_config_path(str(config)))
    elif config is not None:
        cfg = zero_shot_config(config)
    elif checkpoint is not None:
        cfg = config_of_checkpoint(read_checkpoint(checkpoint).facts, foundation)
    elif foundation is None and (CONFIGS / 'msta_tiny_shapes.py').is_file():
        cfg = read_config(CONFIGS / 'msta_tiny_shapes.py')
    else:
        cfg = zero_shot_config(TINY_SHAPES if foundation is None else foundation)
    if foundation is not None:
        cfg.model.backbone.foundation.checkpoint = str(foundation)
    return cfg


def _is_config_name(name: str) -> bool:
    return name.endswith('.py') or not Path(name).exists()


def _config_path(name: str) -> Path:
    """A file, or a preset: the name of a config of this project."""
    if name.endswith('.py'):
        return Path(name)
    folder = CONFIGS
    presets = {p.stem: p for p in folder.rglob('*.py') if '_base_' not in p.parts}
    if name not in presets:
        near = similar(name, presets, cutoff=0.3) or sorted(presets)[:8]
        raise ConfigError(
            f'{name!r} is neither a file nor a preset; the nearest presets are {", ".join(near)} '
            f'({len(presets)} in {folder})'
        )
    return presets[name]


def zero_shot_config(weights: str | Path) -> Config:
    """A config of the frozen foundation in a file or folder, seen in one central view."""
    arch = load_foundation(weights).arch
    return make_config(arch, str(weights), None)


def config_of_checkpoint(facts: Facts, foundation: str | Path | None) -> Config:
    """The config of the model that a checkpoint's adapters were trained beside."""
    kind, arch = facts.foundation['type'], facts.foundation['arch']
    architecture = resolve_architecture(kind, arch)
    weights = foundation or _known_weights(kind, arch)
    if weights is None:
        raise ConfigError(
            f'the checkpoint stands on {kind} {arch} (fingerprint {facts.fingerprint}), whose '
            'weights are not in a known place: name their file (foundation) or a config'
        )
    if not isinstance(arch, str):  # spelt out in the file, it could be of any size
        found = load_foundation(weights, **said_by_config(facts.foundation)).arch
        differences = architecture.differences(found)
        if differences:
            raise CheckpointError(
                f'the checkpoint stands on another foundation than {weights}; checkpoint != file: '
                f'{"; ".join(differences)}. Name its file (foundation) or a config'
            )
        # Files from before views belonged to a foundation do not say them.
        architecture = found
    return make_config(architecture, str(weights), facts.adapter)


def _known_weights(kind: str, arch: Any) -> Path | None:
    if not isinstance(arch, str):
        return TINY_SHAPES if TINY_SHAPES.is_file() else None
    for info in KNOWN_WEIGHTS.values():
        if (info.kind, info.arch) == (kind, arch):
            return FOUNDATION_DIR / info.file
    return None


def make_config(
    arch: Architecture, weights: str | None, adapter: Mapping[str, Any] | None
) -> Config:
    """Model and single-view test pipeline of an architecture; the labels are left open."""
    fields = asdict(arch)
    kind = fields.pop('kind')
    side = arch.image_size
    if arch.resize == 'squash':
        views = [dict(type='Resize', scale=(side, side), keep_ratio=False)]
    else:  # the short side is to the crop as 256 to 224
        views = [
            dict(type='Resize', scale=(-1, round(side * 256 / 224))),
            dict(type='CenterCrop', crop_size=side),
        ]
    pipeline = [
        dict(type='MSTADecordInit'),
        dict(type='UniformSample', clip_len=arch.num_frames, test_mode=True),
        dict(type='DecordDecode'),
        *views,
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]
    model = dict(
        type='MSTARecognizer',
        backbone=dict(
            type='MSTABackbone',
            foundation=dict(type=kind, arch=fields, checkpoint=weights),
            adapter=dict(adapter) if adapter else None,
        ),
        cls_head=dict(type='ConsistencyHead'),
        labels=None,
    )
    return Config(dict(model=model, test_pipeline=pipeline))


def pipeline_of(cfg: Config) -> list[dict[str, Any]]:
    """The pipeline that ``tools/test.py`` would run."""
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    pipeline = dataset.get('pipeline') or cfg.get('test_pipeline')
    if not pipeline:
        raise ConfigError('the config has no test pipeline: test_dataloader.dataset.pipeline')
    return [dict(step) for step in pipeline]


def build_recognizer(
    cfg: Config, checkpoint: str | Path | None, labels: str | Path | Sequence[str] | None
) -> MSTARecognizer:
    """The config's recognizer in evaluation mode, with its foundation's and trained weights."""
    use_scope()
    check_parts(cfg)
    use_foundation(cfg)
    model_cfg = dict(cfg.model)
    if labels is not None:
        model_cfg['labels'] = labels if isinstance(labels, (str, Path)) else list(labels)
    if model_cfg.get('labels') is None:
        raise ConfigError('no labels: give the class names, a file of them, or a shipped list')
    model_cfg['descriptions'] = None  # only the training loss reads them
    if checkpoint is None:  # untrained adapters would change what the foundation says
        model_cfg['backbone'] = dict(model_cfg['backbone'], adapter=None)
    for key in _TRAINING_ONLY:
        model_cfg.pop(key, None)
    model = MODELS.build(model_cfg)
    model.init_weights()
    if checkpoint is not None:
        load_trained(model, checkpoint)
    return model.eval().requires_grad_(False)


def load_trained(model: MSTARecognizer, checkpoint: str | Path) -> None:
    """Read trained weights into a recognizer, all or nothing."""
    state = read_checkpoint(checkpoint).state_dict
    try:
        model.load_state_dict(dict(state), strict=True)
    except CheckpointError as error:
        raise CheckpointError(f'{checkpoint}: {error}') from error
    except RuntimeError as error:
        raise CheckpointError(f'{checkpoint}: does not fit the model: {error}') from error


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for; by default a GPU where there is one."""
    if device is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'device {str(device)!r} cannot be used here: {reason}') from error
    return chosen

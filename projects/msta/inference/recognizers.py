"""Recognizers to run: from a config, a preset, a foundation file or a trained checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from .. import register  # noqa: F401
from ..foundation import (
    Architecture,
    FoundationError,
    load_foundation,
    resolve_architecture,
    said_by_config,
)
from ..foundation.weights import FOUNDATION_DIR, KNOWN_WEIGHTS, TINY_SHAPES
from ..models import MSTABackbone, MSTARecognizer
from ..models.checkpoints import Checkpoint, CheckpointError, NotAdaptersError, read_checkpoint
from ..paths import CONFIGS
from ..training.config import ConfigError, pipeline_of, read_config
from ..training.config_check import check_parts
from ..training.preprocessing import use_foundation

_WEIGHTS = ('.safetensors', '.pth', '.pt', '.bin')


def use_scope() -> None:
    """Make MMAction2's registries the default ones, as the Runner does."""
    if DefaultScope.get_current_instance() is None:
        DefaultScope.get_instance('msta', scope_name='mmaction')


def open_model(
    config: str | Path | Config | Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
    labels: str | Path | Sequence[str] | None = None,
    *,
    foundation: str | Path | None = None,
    templates: str | Sequence[str] | None = None,
    need_labels: bool = True,
) -> tuple[MSTARecognizer, list[dict[str, Any]]]:
    """Return the recognizer that a user means, in evaluation mode, and its test pipeline.

    The arguments are those of :class:`.inferencer.MSTAInferencer`. What is not given is taken from
    the config, else from the checkpoint; without ``need_labels`` a config's labels are not read.
    """
    trained = None
    if checkpoint is not None:
        try:
            trained = read_checkpoint(checkpoint)
        except NotAdaptersError:
            foundation, arch = foundation or checkpoint, _foundation_in(checkpoint)
            config = make_config(arch, str(foundation), None) if config is None else config
    cfg = resolve_config(config, trained, foundation)
    check_parts(cfg)
    use_foundation(cfg)
    model_cfg = dict(cfg.model, descriptions=None)  # only the training loss reads them
    if trained is None:  # untrained adapters would change what the foundation says
        model_cfg['backbone'] = dict(model_cfg['backbone'], adapter=None)
    if labels is not None:
        model_cfg['labels'] = labels if isinstance(labels, (str, Path)) else list(labels)
    elif not need_labels:
        model_cfg['labels'] = None  # those of a config may be a file that is not there
    elif model_cfg.get('labels') is None and not (trained and trained.recipe.labels):
        raise ConfigError(
            'no labels: give the class names, a file of them, or a shipped list'
            + (f' ({checkpoint} is from before checkpoints carried theirs)' if trained else '')
        )
    if templates is not None:
        model_cfg['template'] = templates
    use_scope()
    model = MODELS.build(model_cfg)
    model.init_weights()
    if trained is not None:
        try:
            model.load_state_dict(dict(trained.state_dict), strict=True)
        except CheckpointError as error:
            raise CheckpointError(f'{trained.path}: {error}') from error
        except RuntimeError as error:
            raise CheckpointError(f'{trained.path}: does not fit the model: {error}') from error
    return model.eval().requires_grad_(False), pipeline_of(cfg)


def _foundation_in(path: str | Path) -> Architecture:
    try:
        return load_foundation(path).arch
    except FoundationError as error:
        raise CheckpointError(
            f'{path} is not a checkpoint of this project, and as a foundation: {error}'
        ) from error


def resolve_config(
    config: str | Path | Config | Mapping[str, Any] | None = None,
    trained: Checkpoint | None = None,
    foundation: str | Path | None = None,
) -> Config:
    """Return the config that a user means; the arguments are those of :func:`open_model`."""
    shipped = CONFIGS / 'msta_tiny_shapes.py'
    if isinstance(config, Config):
        cfg = Config(config._cfg_dict.to_dict())
    elif isinstance(config, Mapping):
        cfg = Config(dict(config))
    elif config is None and trained is not None:
        cfg = config_of_checkpoint(trained, foundation)
    elif config is None and foundation is None and shipped.is_file():
        cfg = read_config(shipped)
    elif config is not None and _is_config(str(config)):
        cfg = read_config(config)
    else:  # the frozen foundation in a file or folder
        weights = config or foundation or TINY_SHAPES
        cfg = make_config(load_foundation(weights).arch, str(weights), None)
    if foundation is not None:
        cfg.model.backbone.foundation.checkpoint = str(foundation)
    return cfg


def _is_config(name: str) -> bool:
    """Whether a name is a config's or a preset's, not that of a foundation's weights."""
    return name.endswith('.py') or not (Path(name).exists() or name.endswith(_WEIGHTS))


def config_of_checkpoint(trained: Checkpoint, foundation: str | Path | None) -> Config:
    """Return the config of the model that a checkpoint's adapters were trained beside."""
    facts, recipe = trained.facts, trained.recipe
    kind, arch = facts.foundation['type'], facts.foundation['arch']
    architecture = resolve_architecture(kind, arch)
    weights = foundation or _known_weights(kind, arch)
    if weights is None:
        raise ConfigError(
            f'{trained.path} stands on {kind} {arch} (fingerprint {facts.fingerprint}), whose '
            'weights are not in a known place: name their file (foundation) or a config'
        )
    if not isinstance(arch, str):  # spelt out in the file, it could be of any size
        found = load_foundation(weights, **said_by_config(facts.foundation)).arch
        differences = architecture.differences(found)
        if differences:
            raise CheckpointError(
                f'{trained.path} stands on another foundation than {weights}; checkpoint != file: '
                f'{"; ".join(differences)}. Name its file (foundation) or a config'
            )
        if recipe.test_pipeline is None:
            # Files from before views belonged to a foundation do not say them.
            architecture = found
    cfg = make_config(architecture, str(weights), facts.adapter)
    cfg.model.cls_head.update(
        logit_scale=recipe.logit_scale,
        average_clips=recipe.average_clips,
        multi_class=recipe.multi_class,
    )
    if recipe.test_pipeline is not None:
        cfg.test_pipeline = recipe.test_pipeline
    return cfg


def _known_weights(kind: str, arch: Any) -> Path | None:
    if not isinstance(arch, str):
        return TINY_SHAPES if TINY_SHAPES.is_file() else None
    known = KNOWN_WEIGHTS.values()
    return next((FOUNDATION_DIR / i.file for i in known if (i.kind, i.arch) == (kind, arch)), None)


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
        dict(type='MSTAVideoInit'),
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


def digest_of(model: MSTARecognizer) -> str:
    """Hash a model's identity and prompts; its labels are not in it."""
    text = json.dumps([model_identity(model.backbone), model.templates])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def model_identity(backbone: MSTABackbone) -> dict[str, Any]:
    """Which foundation, and which adapters by their settings and weights; None without."""
    adapters = None
    if backbone.adapter_cfg is not None:
        hashed = hashlib.sha256(json.dumps(backbone.adapter_cfg, default=list).encode())
        for name, tensor in sorted(backbone.adapter.state_dict().items()):
            hashed.update(
                name.encode() + tensor.detach().float().cpu().contiguous().numpy().tobytes()
            )
        adapters = hashed.hexdigest()
    return {'foundation': backbone.fingerprint, 'adapters': adapters}


def choose_device(device: str | torch.device | None) -> torch.device:
    """Return the device asked for; by default a GPU where there is one."""
    if device is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'device {str(device)!r} cannot be used here: {reason}') from error
    return chosen

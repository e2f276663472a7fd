"""The config of every cell: a shipped one, or the nearest shipped one changed in what differs.

``configs/`` holds those that a person starts by hand: one of each protocol and model, and one of
each published claim. A cell of another data set, model or number of shots is that config with the
base file of the data set or model in the place of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..paths import CONFIGS
from ..spelling import did_you_mean
from ..training.config import read_config
from .definitions import DATASETS, MODELS, ProtocolError

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..foundation import WeightInfo

BASES = CONFIGS / '_base_'
SUPERVISED = {
    'viclip-b16': CONFIGS / 'msta_vitb16_k400.py',
    'clip-b16': CONFIGS / 'msta_clip_vitb16_k400.py',
}
TINY = CONFIGS / 'msta_tiny_shapes.py'
# What the paper describes with 8 sentences of each kind per class, instead of 2.
_EIGHT_DESCRIPTIONS = frozenset([('few_shot', 'ucf101'), ('few_shot', 'ssv2')])
_TESTING = ('val_dataloader', 'test_dataloader')
# The data set whose config stands for those of a protocol.
_SHIPPED = 'hmdb51'


@dataclass(frozen=True)
class Recipe:
    """A config file, and what is exchanged in it.

    Attributes:
        name: Of the folder of its runs, in the manner of the configs' own names.
        file: The config.
        dataset: Base file whose data loaders it gets; None: its own.
        model: Base file whose foundation and views it gets; None: its own.
        preset: Another size of that foundation: weights, image size, and as many blocks from the
            top; None: its own.
        options: Settings that replace its own, by path.
    """

    name: str
    file: Path
    dataset: str | None = None
    model: str | None = None
    preset: WeightInfo | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        changes = [f'the data of {self.dataset}'] if self.dataset else []
        changes += [f'the foundation of {self.model}'] if self.model else []
        changes += [f'{self.preset.kind} {self.preset.arch}'] if self.preset else []
        changes += [f'{key.split(".")[-1]} {Path(str(v)).name}' for key, v in self.options.items()]
        return self.file.name + (f' with {", ".join(changes)}' if changes else '')

    def read(self) -> Config:
        """Return the config, with everything exchanged."""
        cfg = read_config(self.file)
        if self.dataset is not None:
            _use_dataset(cfg, read_config(BASES / 'datasets' / f'{self.dataset}.py'))
        if self.model is not None:
            base = read_config(BASES / 'models' / f'{self.model}.py')
            other = base.model
            cfg.model.backbone.foundation = other.backbone.foundation
            cfg.model.pop('data_preprocessor', None)
            if 'data_preprocessor' in other:
                cfg.model.data_preprocessor = other.data_preprocessor
            cfg.square_views = base.get('square_views')
        if cfg.get('square_views'):
            for name in _TESTING:
                if cfg.get(name) is not None:
                    cfg[name].dataset.pipeline = cfg.square_views
            cfg.test_pipeline = cfg.square_views
        if self.preset is not None:
            _use_preset(cfg, self.preset)
        cfg.merge_from_dict(dict(self.options))
        return cfg


def _use_dataset(cfg: Config, other: Config) -> None:
    """Give a config the loaders of another data set; one for testing keeps its one view."""
    if cfg.get('train_dataloader') is None:
        other.test_dataloader.dataset.pipeline = other.val_pipeline
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(name) is not None:
            cfg[name] = {**other[name], 'batch_size': cfg[name].batch_size}


def _use_preset(cfg: Config, preset: WeightInfo) -> None:
    """Give a config another size of its foundation, and views of that size."""
    from ..foundation import resolve_architecture

    backbone = cfg.model.backbone
    old, new = (
        resolve_architecture(preset.kind, a) for a in (backbone.foundation.arch, preset.arch)
    )
    checkpoint = Path(backbone.foundation.checkpoint).with_name(preset.file)
    backbone.foundation.update(arch=preset.arch, checkpoint=str(checkpoint))
    first, last = backbone.adapter.blocks
    deeper = new.layers - old.layers
    backbone.adapter.blocks = (first if first == 1 else first + deeper, last + deeper)
    # Views of 224 come from 256 pixels; the same share of them for any size.
    sizes = {n: n * new.image_size // old.image_size for n in (old.image_size, 256)}
    loaders = (cfg.get(name) for name in ('train_dataloader', *_TESTING))
    pipelines = [loader.dataset.pipeline for loader in loaders if loader is not None]
    # Loaders may share their steps: each is changed once.
    for step in {id(step): step for pipeline in pipelines for step in pipeline}.values():
        for key in {'scale', 'input_size', 'crop_size'} & set(step):
            n = step[key]
            pair = isinstance(n, (tuple, list))
            step[key] = tuple(sizes.get(v, v) for v in n) if pair else sizes.get(n, n)
    cfg.test_pipeline = cfg.test_dataloader.dataset.pipeline


def find_recipes(
    protocol: str, dataset: str, model: str, shots: int | None = None
) -> tuple[Recipe, Recipe]:
    """The recipes to train and to test with; the same except for zero-shot from Kinetics-400.

    Raises:
        ProtocolError: There is none for this protocol, data set and model.
    """
    if dataset not in DATASETS[protocol] or (dataset == 'shapes') != (model == 'viclip-tiny'):
        raise ProtocolError(
            f'no configs of {model} for {protocol} on {dataset}: name one with --config (the data '
            f'sets of {protocol} are {", ".join(DATASETS[protocol])}; viclip-tiny is for shapes)'
        )
    if dataset == 'shapes':
        both = _of_shapes(protocol, shots)
    elif protocol == 'supervised':
        both = _supervised(model)
    elif protocol == 'zero_shot':
        test = _like_shipped(protocol, f'kinetics400-to-{dataset}', dataset, model)
        return _supervised(model), test
    else:
        base = '' if protocol == 'few_shot' else 'base-'
        both = _like_shipped(protocol, f'{dataset}-{base}{shots}shot', dataset, model)
    return both, both


def _preset(model: str) -> tuple[str, str, WeightInfo | None]:
    """How the names of a model's configs begin, its base file, and what it is another size of."""
    from ..foundation import KNOWN_WEIGHTS

    if model in MODELS:
        return *MODELS[model], None
    known = {name.replace('_', '-'): info for name, info in KNOWN_WEIGHTS.items()}
    if model not in known:
        names = dict.fromkeys([*MODELS, *known])
        raise ProtocolError(
            f'no model {model!r}{did_you_mean(model, names)}; they are {", ".join(names)}'
        )
    (alike,) = (name for name in MODELS if name in known and known[name].kind == known[model].kind)
    return *MODELS[alike], known[model]


def _supervised(model: str) -> Recipe:
    _, base, preset = _preset(model)
    if model in SUPERVISED:
        return Recipe(SUPERVISED[model].stem, SUPERVISED[model])
    return Recipe(f'msta_{model}_k400', SUPERVISED['viclip-b16'], None, base, preset)


def _of_shapes(protocol: str, shots: int | None) -> Recipe:
    if protocol == 'base2novel':
        return Recipe(TINY.stem, TINY)
    data = {'zero_shot': 'shapes-base-to-novel', 'few_shot': f'shapes-{shots}shot'}
    name = f'{MODELS["viclip-tiny"][0]}_1xb32-u8_{data.get(protocol, "shapes")}-rgb'
    options = {}
    if protocol != 'zero_shot':  # of all classes, not of the base classes alone
        own = Path(read_config(TINY).model.descriptions)
        options['model.descriptions'] = str(own.with_name('descriptions.json'))
    return Recipe(name, TINY, options=options)


def _like_shipped(protocol: str, data: str, dataset: str, model: str) -> Recipe:
    """The config of a protocol on HMDB-51, or the paper's of Kinetics-400, changed to a cell's."""
    prefix, base, preset = _preset(model)
    whole = protocol == 'base2novel' and dataset == 'kinetics400'
    pattern = '*-11e_*' if whole else f'*{_SHIPPED}*'
    for owner in (prefix, MODELS['viclip-b16'][0]):
        files = list((CONFIGS / protocol).glob(f'{owner}_{pattern}-rgb.py'))
        if files:
            break
    (file,) = files
    name = '_'.join([f'msta_{model}-pre' if preset else prefix, file.stem.split('_')[2], data])
    exchanged = None if whole or dataset == _SHIPPED else dataset
    options: dict[str, Any] = {}
    if exchanged and protocol != 'zero_shot':
        number = 8 if (protocol, dataset) in _EIGHT_DESCRIPTIONS else 2
        described = 'descriptions_n8.json' if number == 8 else 'descriptions.json'
        folder = Path(read_config(BASES / 'datasets' / f'{dataset}.py').data_root)
        options['model.descriptions'] = str(folder / described)
        options['model.num_descriptions'] = number
    model_base = None if owner == prefix else base
    return Recipe(f'{name}-rgb', file, exchanged, model_base, preset, options)

"""The config of every cell: a shipped one, or the nearest shipped one changed in what differs.

``configs/`` holds those that a person starts by hand: one of each protocol and model, and one of
each published claim. A cell of another data set, model or number of shots is that config with the
base file of the data set or model in the place of its own. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..paths import CONFIGS
from ..training.config import read_config
from .definitions import DATASETS, MODELS, ProtocolError

if TYPE_CHECKING:
    from mmengine.config import Config

BASES = CONFIGS / '_base_'
SUPERVISED = {
    'viclip-b16': CONFIGS / 'msta_vitb16_k400.py',
    'clip-b16': CONFIGS / 'msta_clip_vitb16_k400.py',
}
TINY = CONFIGS / 'msta_tiny_shapes.py'
# What the paper describes with 8 sentences of each kind per class, instead of 2.
_EIGHT_DESCRIPTIONS = frozenset([('few_shot', 'ucf101'), ('few_shot', 'ssv2')])
# The data set whose config stands for those of a protocol.
_SHIPPED = 'hmdb51'


@dataclass(frozen=True)
class Recipe:
    """A config file, and what is exchanged in it.

    Attributes:
        name: Of the folder of its runs, in the manner of the configs' own names.
        file: The config.
        dataset: Base file whose data loaders it gets; None: its own.
        model: Base file whose foundation it gets; None: its own.
        options: Settings that replace its own, by path.
    """

    name: str
    file: Path
    dataset: str | None = None
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        changes = [f'the data of {self.dataset}'] if self.dataset else []
        changes += [f'the foundation of {self.model}'] if self.model else []
        changes += [f'{key.split(".")[-1]} {Path(str(v)).name}' for key, v in self.options.items()]
        return self.file.name + (f' with {", ".join(changes)}' if changes else '')

    def read(self) -> Config:
        """Return the config, with everything exchanged."""
        cfg = read_config(self.file)
        if self.dataset is not None:
            _use_dataset(cfg, read_config(BASES / 'datasets' / f'{self.dataset}.py'))
        if self.model is not None:
            other = read_config(BASES / 'models' / f'{self.model}.py').model
            cfg.model.backbone.foundation = other.backbone.foundation
            cfg.model.pop('data_preprocessor', None)
            if 'data_preprocessor' in other:
                cfg.model.data_preprocessor = other.data_preprocessor
        cfg.merge_from_dict(dict(self.options))
        return cfg


def _use_dataset(cfg: Config, other: Config) -> None:
    """Give a config the loaders of another data set; one for testing keeps its one view."""
    if cfg.get('train_dataloader') is None:
        other.test_dataloader.dataset.pipeline = other.val_pipeline
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(name) is not None:
            cfg[name] = {**other[name], 'batch_size': cfg[name].batch_size}


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
        return both, both
    if protocol == 'supervised':
        file = SUPERVISED[model]
        return Recipe(file.stem, file), Recipe(file.stem, file)
    if protocol == 'zero_shot':
        return find_recipes('supervised', 'kinetics400', model)[0], _like_shipped(
            protocol, f'kinetics400-to-{dataset}', dataset, model
        )
    name = f'{dataset}-{shots}shot' if protocol == 'few_shot' else f'{dataset}-base-{shots}shot'
    both = _like_shipped(protocol, name, dataset, model)
    return both, both


def _of_shapes(protocol: str, shots: int | None) -> Recipe:
    if protocol == 'base2novel':
        return Recipe(TINY.stem, TINY)
    data = {'zero_shot': 'shapes-base-to-novel', 'few_shot': f'shapes-{shots}shot'}
    name = f'{MODELS["viclip-tiny"][0]}_1xb32-u8_{data.get(protocol, "shapes")}-rgb'
    if protocol == 'zero_shot':
        return Recipe(name, TINY)
    own = Path(read_config(TINY).model.descriptions)
    return Recipe(
        name, TINY, options={'model.descriptions': str(own.with_name('descriptions.json'))}
    )


def _like_shipped(protocol: str, data: str, dataset: str, model: str) -> Recipe:
    """The config of a protocol on HMDB-51, or the paper's of Kinetics-400, changed to a cell's."""
    prefix, base = MODELS[model]
    whole = protocol == 'base2novel' and dataset == 'kinetics400'
    owner = MODELS['viclip-b16'][0] if whole else prefix
    pattern = f'{owner}_*-11e_*' if whole else f'{owner}_*{_SHIPPED}*'
    (file,) = (CONFIGS / protocol).glob(f'{pattern}-rgb.py')
    name = '_'.join([prefix, file.stem.split('_')[2], f'{data}-rgb'])
    exchanged = None if whole or dataset == _SHIPPED else dataset
    options: dict[str, Any] = {}
    if exchanged and protocol != 'zero_shot':
        number = 8 if (protocol, dataset) in _EIGHT_DESCRIPTIONS else 2
        described = f'descriptions{"_n8" if number == 8 else ""}.json'
        folder = Path(read_config(BASES / 'datasets' / f'{dataset}.py').data_root)
        options = {
            'model.descriptions': str(folder / described),
            'model.num_descriptions': number,
        }
    return Recipe(name, file, exchanged, None if owner == prefix else base, options)

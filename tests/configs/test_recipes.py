"""Every cell's config against the paper's recipe: one table, all failures together.

Cells are what ``projects/msta/protocols`` makes of the shipped configs, which are among them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from projects.msta.datasets.shapes.classes import ACTIONS, BASE_ACTIONS
from projects.msta.labels import read_labels
from projects.msta.protocols.definitions import DATASETS, PROTOCOLS, cells
from projects.msta.protocols.plan import Request, make_plan
from projects.msta.protocols.recipes import find_recipes
from projects.msta.training.config import merge_options, read_config

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
ALL_CONFIGS = sorted(CONFIGS.glob('msta*.py')) + sorted(CONFIGS.glob('[!_]*/*.py'))
PAPER_CONFIGS = [path for path in ALL_CONFIGS if 'vitb16' in path.stem]
LOGS_K400 = 'msta-vitb16_viclip-pre_8xb4-u8-50e_kinetics400-base-16shot-rgb'


@dataclass(frozen=True)
class Tried:
    """A config, the protocol it belongs to and the name that says what it is."""

    protocol: str
    name: str
    cfg: object

    @property
    def zero_shot(self) -> bool:
        return self.protocol == 'zero_shot'


def all_cells() -> list[Tried]:
    """Every cell of every protocol and large model, by the recipe that runs it."""
    found = []
    for model in ('viclip-b16', 'clip-b16'):
        for protocol in PROTOCOLS:
            for dataset in set(DATASETS[protocol]) - {'shapes'}:
                for cell in cells(protocol, dataset, (1,)):
                    request = Request(protocol, dataset, Path('/nowhere'), model, seeds=(1,))
                    run = make_plan(request, [cell]).runs[0]
                    train, test = find_recipes(protocol, dataset, model, cell.shots)
                    recipe = test if protocol == 'zero_shot' else train
                    cfg = recipe.read()
                    part = next(iter(run.tests)).config
                    if protocol == 'zero_shot':
                        cfg.model.labels = part.model.labels
                    else:
                        cfg.model.labels = run.config.model.labels
                        cfg.train_dataloader = run.config.train_dataloader
                        cfg.train_dataloader.batch_size = recipe.read().train_dataloader.batch_size
                    found.append(Tried(protocol, recipe.name, cfg))
    return found


def shipped(path: Path) -> Tried:
    folder = path.parent.name
    return Tried('supervised' if folder == 'configs' else folder, path.stem, read_config(path))


# clips x crops of the published tests, and classes: all, base.
VIEWS = {'hmdb51': (10, 3), 'ucf101': (5, 3), 'kinetics400': (4, 3), 'ssv2': (2, 3)}
CLASSES = {'hmdb51': (51, 26), 'ucf101': (101, 51), 'ssv2': (174, 87), 'kinetics400': (400, 200)}
ZERO_SHOT_CLASSES = {'hmdb51': 51, 'ucf101': 101, 'kinetics600': 160}
# ViCLIP and CLIP by the pixel statistics their weights were trained with.
MEANS = {'viclip': [123.675, 116.28, 103.53], 'clip': [122.771, 116.746, 104.094]}


def expected_recipe(tried: Tried) -> dict:
    """What the paper and its logs say of the cell that a protocol and a name stand for."""
    large = tried.protocol in ('supervised', 'zero_shot')
    foundation = 'clip' if '_clip' in tried.name else 'viclip'
    expected = {
        'foundation': {'clip': 'CLIP', 'viclip': 'ViCLIP'}[foundation],
        'blocks': (1, 12) if large else (8, 12),
        'dim': 256 if large else 128,
        'scale': 0.005,
        'template': 'a video of {}.',
        'mean': MEANS[foundation],
        'frames': 8,
        'test_short_side': 256,
        'test_crop': 224,
    }
    # Both foundations have the same two towers, so the adapters are equally large.
    expected['trainable'] = 8_712_192 if large else 1_744_000
    if tried.zero_shot:
        dataset = tried.name.split('-to-')[1].removesuffix('-rgb')
        return expected | {'views': (1, 1), 'classes': ZERO_SHOT_CLASSES[dataset]}
    dataset = next((name for name in VIEWS if name in tried.name), 'kinetics400')
    base = tried.protocol == 'base2novel'
    # Two recipes: the paper's 11 epochs, and the logs' 50 without the consistency loss.
    off = tried.name == LOGS_K400
    epochs = 11 if base and dataset == 'kinetics400' and not off else 50
    many = tried.protocol == 'few_shot' and dataset in ('ucf101', 'ssv2')
    return expected | {
        'views': VIEWS[dataset],
        'test_short_side': 224,  # three crops of 224 cover the frame
        'classes': CLASSES[dataset][int(base)],
        'alpha': 0.0 if off else 1.0,
        'descriptions': None if off else f'{dataset}/descriptions{"_n8" if many else ""}.json',
        'num_descriptions': 8 if many else 2,
        'epochs': epochs,
        'schedule': ('WarmupUnshiftedCosineLR', 5, 0.01, epochs),
        'optimizer': ('AdamW', 8e-3 if large else 1e-3, (0.9, 0.98), 1e-8, 1e-3),
        'batch': 256 if large else 32,
        'batch_of_lr': 256 if large else 32,
        'train_views': TRAIN_VIEWS,
        'train_list': expected_train_list(tried, dataset),
    }


TRAIN_VIEWS = [
    ('UniformSample', 8),
    ('Resize', (-1, 256)),
    ('MultiScaleCrop', (1, 0.875, 0.75, 0.66), 224),
    ('Resize', (224, 224)),
    ('Flip', 0.5),
    ('ClipColorJitter', 0.8),
    ('ClipGrayscale', 0.2),
]


def expected_train_list(tried: Tried, dataset: str) -> str:
    if tried.protocol == 'base2novel':
        return f'{dataset}/base_train_16shot_seed1.txt'
    if tried.protocol == 'few_shot':
        shots = tried.name.rsplit('-', 2)[1]
        return f'{dataset}/train_{shots}_seed1.txt'
    return f'{dataset}/train.txt'


def found_recipe(cfg, model) -> dict:
    """The same facts of a config and the model it builds."""
    adapter = cfg.model.backbone.adapter
    test = cfg.test_dataloader.dataset.pipeline
    steps = {step['type']: step for step in test}
    crop = steps.get('ThreeCrop') or steps['CenterCrop']
    found = {
        'foundation': cfg.model.backbone.foundation.type,
        'blocks': tuple(adapter.blocks),
        'dim': adapter.dim,
        'scale': adapter.scale,
        'template': cfg.model.template,
        'mean': [round(255 * value, 3) for value in model.backbone.foundation.mean],
        'frames': steps['UniformSample']['clip_len'],
        'test_short_side': steps['Resize']['scale'][1],
        'test_crop': crop['crop_size'],
        'trainable': model.backbone.num_parameters()[0],
        'views': (steps['UniformSample'].get('num_clips', 1), 3 if 'ThreeCrop' in steps else 1),
        'classes': len(model.labels),
    }
    if cfg.get('train_dataloader') is None:
        return found
    optimizer, schedule = cfg.optim_wrapper.optimizer, cfg.param_scheduler[0]
    descriptions = cfg.model.descriptions
    end = schedule.get('end', cfg.train_cfg.max_epochs)  # as MMEngine fills it in
    per_gpu = 8
    return found | {
        'alpha': cfg.model.cls_head.alpha,
        'descriptions': descriptions and '/'.join(Path(descriptions).parts[-2:]),
        'num_descriptions': cfg.model.num_descriptions,
        'epochs': cfg.train_cfg.max_epochs,
        'schedule': (schedule.type, schedule.warmup, schedule.min_ratio, end),
        'optimizer': (
            optimizer.type,
            optimizer.lr,
            tuple(optimizer.betas),
            optimizer.eps,
            optimizer.weight_decay,
        ),
        'batch': per_gpu * cfg.train_dataloader.batch_size,
        'batch_of_lr': cfg.auto_scale_lr.base_batch_size,
        'train_views': train_views(cfg.train_dataloader.dataset.pipeline),
        'train_list': '/'.join(Path(cfg.train_dataloader.dataset.ann_file).parts[-2:]),
    }


def train_views(pipeline: list[dict]) -> list[tuple]:
    keys = {
        'UniformSample': ('clip_len',),
        'Resize': ('scale',),
        'MultiScaleCrop': ('scales', 'input_size'),
        'Flip': ('flip_ratio',),
        'ClipColorJitter': ('p',),
        'ClipGrayscale': ('p',),
    }
    return [
        (step['type'], *(step[key] for key in keys[step['type']]))
        for step in pipeline
        if step['type'] in keys
    ]


def names_for(labels: str, name: str) -> list[str]:
    """Class names a config stands for, without a data folder: shipped lists, Shapes' own."""
    if 'shapes' in name:
        actions = BASE_ACTIONS if Path(labels).stem.endswith('base') else ACTIONS
        return [action.name for action in actions]
    file = Path(labels)
    if file.suffix:
        half = {'base_labels': '_base', 'labels_split1': '_zs1'}[file.stem]
        return read_labels(file.parent.name + half)
    return read_labels(labels)


def build_model(cfg, name: str):
    from mmaction.registry import MODELS

    from projects.msta.inference.recognizers import use_scope

    use_scope()
    with torch.device('meta'):
        return MODELS.build({**cfg.model, 'labels': names_for(cfg.model.labels, name)})


@pytest.fixture(scope='module')
def built() -> dict:
    """Config file -> (config, model with parameters that take no memory)."""
    configs = {path: read_config(path) for path in ALL_CONFIGS}
    return {path: (cfg, build_model(cfg, path.stem)) for path, cfg in configs.items()}


def wrong_facts(tried: Tried, model) -> list[str]:
    expected, found = expected_recipe(tried), found_recipe(tried.cfg, model)
    return [
        f'{tried.protocol}, {tried.name}: {key} is {found.get(key)!r}, expected {value!r}'
        for key, value in expected.items()
        if found.get(key) != value
    ]


def test_every_shipped_config_follows_the_published_recipe(built):
    wrong = [one for path in PAPER_CONFIGS for one in wrong_facts(shipped(path), built[path][1])]
    assert not wrong, '\n' + '\n'.join(wrong)
    assert len(PAPER_CONFIGS) == 2 + 2 + 4 + 2


def test_every_cell_follows_the_published_recipe():
    tried = all_cells()
    wrong = [one for cell in tried for one in wrong_facts(cell, build_model(cell.cfg, cell.name))]
    assert not wrong, '\n' + '\n'.join(wrong)
    # Those of the hand-started configs are these very configs.
    names = {(cell.protocol, cell.name) for cell in tried}
    assert len(names) == len(tried) == 2 * (4 + 12 + 3 + 1)
    for path in PAPER_CONFIGS:
        if path.stem != LOGS_K400:
            assert (shipped(path).protocol, path.stem) in names


def test_other_shots_by_hand_are_the_protocols_own():
    """The line in the header of the few-shot configs."""
    path = next(CONFIGS.glob('few_shot/*_viclip*.py'))
    (line,) = re.findall(r'--cfg-options (\S+)', path.read_text(encoding='utf-8'))
    cfg = read_config(path)
    key, _, value = line.partition('=')
    merge_options(cfg, {key: value})
    request = Request('few_shot', 'hmdb51', Path('/nowhere'), seeds=(1,), shots=(2,))
    run = make_plan(request).runs[0]
    listed = Path(run.config.train_dataloader.dataset.ann_file).resolve()
    assert (CONFIGS.parent / cfg.train_dataloader.dataset.ann_file).resolve() == listed
    for config in (run.config, cfg):
        config.model.descriptions = str(Path(config.model.descriptions).resolve())
    for part in ('model', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert run.config[part] == cfg[part]


def test_names_of_configs_say_what_is_in_them(built):
    """As in MMAction2: GPUs x batch a GPU, frames, epochs."""
    wrong = []
    for path, (cfg, _) in built.items():
        setting = path.stem.split('_')[2] if path.parent != CONFIGS else ''
        if cfg.get('train_dataloader') is None or not setting:
            continue
        gpus, batch = re.match(r'(\d+)xb(\d+)-u8', setting).groups()
        epochs = re.search(r'-(\d+)e$', setting)
        if int(batch) != cfg.train_dataloader.batch_size:
            wrong.append(f'{path.name}: batch {cfg.train_dataloader.batch_size}')
        if int(gpus) * int(batch) != cfg.auto_scale_lr.base_batch_size:
            wrong.append(f'{path.name}: rate is for a batch of {cfg.auto_scale_lr.base_batch_size}')
        if epochs and int(epochs[1]) != cfg.train_cfg.max_epochs:
            wrong.append(f'{path.name}: {cfg.train_cfg.max_epochs} epochs')
    assert not wrong, '\n' + '\n'.join(wrong)


def test_everything_that_a_config_names_can_be_built(built):
    from mmaction.registry import DATASETS, HOOKS, METRICS, TRANSFORMS

    wrong = []
    for path, (cfg, _) in built.items():
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            loader = cfg.get(name)
            if loader is None:
                continue
            try:
                assert loader.dataset.type in DATASETS
                for step in loader.dataset.pipeline:
                    TRANSFORMS.build(step)
            except Exception as error:
                wrong.append(f'{path.name}, {name}: {error!r}')
        evaluators = [cfg[k] for k in ('val_evaluator', 'test_evaluator') if cfg.get(k)]
        for registry, parts in ((METRICS, evaluators), (HOOKS, cfg.custom_hooks)):
            wrong += [f'{path.name}: no {p.type}' for p in parts if p.type not in registry]
    assert not wrong, '\n' + '\n'.join(wrong)


def test_configs_are_short_and_say_what_they_claim():
    wrong = []
    for path in ALL_CONFIGS:
        text = path.read_text(encoding='utf-8')
        if path in PAPER_CONFIGS and len(text.splitlines()) > 30:
            wrong.append(f'{path.name}: {len(text.splitlines())} lines')
        header = text.split('"""')[1] if text.startswith('"""') else ''
        if 'tools/' not in header:
            wrong.append(f'{path.name}: the header gives no command')
        if path in PAPER_CONFIGS and not ('Claims' in header or 'published for' in header):
            wrong.append(f'{path.name}: the header says nothing of published results')
    assert not wrong, '\n' + '\n'.join(wrong)


@pytest.mark.parametrize('dataset', ['kinetics400', 'kinetics600', 'ucf101', 'hmdb51', 'ssv2'])
@pytest.mark.parametrize('size', [(240, 320), (320, 240)])
def test_three_crops_are_taken_of_upright_and_wide_frames(dataset, size):
    """The published test views, on frames in memory from the decoder on."""
    import numpy as np
    from mmaction.registry import TRANSFORMS
    from mmengine.config import Config
    from mmengine.registry import DefaultScope

    import projects.msta.register  # noqa: F401

    folder = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'
    steps = Config.fromfile(folder / f'{dataset}.py').test_pipeline
    decoded = [step['type'] for step in steps].index('DecordDecode') + 1
    results = dict(imgs=[np.zeros((*size, 3), np.uint8)] * 8, img_shape=size, label=0)
    results.update(modality='RGB', num_clips=1, clip_len=8, original_shape=size)
    with DefaultScope.overwrite_default_scope('mmaction'):
        for step in steps[decoded:]:
            results = TRANSFORMS.build(step)(results)
    assert results['inputs'].shape == (3, 3, 8, 224, 224)

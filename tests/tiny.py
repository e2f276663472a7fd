"""A tiny model on disk (foundation, config, trained adapters) and a few videos."""

import importlib.util
from pathlib import Path

import pytest

from tests.videos import write_mp4

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """
custom_imports = dict(imports=['projects.msta.register'], allow_failed_imports=False)
default_scope = 'mmaction'
model = dict(
    type='MSTARecognizer',
    backbone=dict(
        type='MSTABackbone',
        foundation=dict(type='ViCLIP', arch={arch}, checkpoint={weights!r}),
        adapter=dict(type='MSTAAdapter', blocks=(2, 3), dim=8, scale=0.5),
    ),
    cls_head=dict(type='ConsistencyHead', logit_scale=20.0),
    labels={labels},
)
test_pipeline = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=4, num_clips=2, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 16)),
    dict(type='ThreeCrop', crop_size=16),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='MSTAVideoDataset',
        ann_file={ann_file!r},
        data_prefix=dict(video={root!r}),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_evaluator = dict(type='AccMetric')
test_cfg = dict(type='TestLoop')
"""


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """A folder with config.py, foundation.safetensors, adapters.pth, and videos in videos/."""
    import torch
    from mmaction.registry import MODELS
    from mmengine.config import Config

    from projects.msta.foundation import build_foundation, save_foundation
    from projects.msta.inference.recognizers import use_scope
    from tests.models.conftest import ARCH, LABELS

    folder = tmp_path_factory.mktemp('tiny')
    (folder / 'videos').mkdir()
    for index in range(5):
        size = (64, 48) if index % 2 else (96, 64)
        write_mp4(folder / 'videos' / f'clip {index}.mp4', 12 + 5 * index, *size, seed=index)
    names = sorted(path.name for path in (folder / 'videos').glob('*.mp4'))
    lines = [f'{name} {index % len(LABELS)}\n' for index, name in enumerate(names)]
    (folder / 'test.txt').write_text(''.join(lines))
    torch.manual_seed(5)
    weights = folder / 'foundation.safetensors'
    save_foundation(build_foundation(dict(type='ViCLIP', arch=ARCH)), weights, torch.float32)
    text = CONFIG.format(
        arch=ARCH,
        weights=str(weights),
        labels=LABELS,
        ann_file=str(folder / 'test.txt'),
        root=str(folder / 'videos'),
    )
    (folder / 'config.py').write_text(text)
    use_scope()
    for seed in (1, 2):
        model = MODELS.build(Config.fromfile(folder / 'config.py').model)
        model.init_weights()
        torch.manual_seed(seed)
        for parameter in model.backbone.adapter.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        name = 'adapters.pth' if seed == 1 else f'adapters{seed}.pth'
        torch.save({'state_dict': model.state_dict(), 'meta': {'epoch': seed}}, folder / name)
    return folder


@pytest.fixture(scope='session')
def inferencer(tiny):
    from projects.msta.apis import MSTAInferencer

    with MSTAInferencer(tiny / 'config.py', tiny / 'adapters.pth', device='cpu') as made:
        yield made


@pytest.fixture
def run(capsys):
    """A tool's main function in this process: importing torch anew would take most of the time."""

    def call(tool, *arguments):
        spec = importlib.util.spec_from_file_location('tool', ROOT / 'tools' / tool)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        capsys.readouterr()
        status = module.main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return call

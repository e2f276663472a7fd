"""Exported graphs: parity with the model, free sizes, and a program without PyTorch."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from projects.msta.apis import MSTAInferencer
from projects.msta.inference.export import export_model, resize_rule
from projects.msta.inference.export_graphs import ExportError, make_graphs, require_onnx
from projects.msta.inference.loading import VideoLoader

ROOT = Path(__file__).resolve().parents[2]
INSTALL = 'pip install -r requirements/export.txt'


@pytest.fixture(scope='module')
def exported(tiny, tmp_path_factory):
    """The folder, its parities, and the inferencer (one view) that was exported."""
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package, reason=INSTALL)
    folder = tmp_path_factory.mktemp('export') / 'out'
    with MSTAInferencer(
        None,
        tiny / 'adapters.pth',
        ['swimming', 'eating soup', 'running'],
        foundation=tiny / 'foundation.safetensors',
        device='cpu',
    ) as made:
        yield folder, export_model(made, folder, torch_export=True), made


def session(folder, name):
    import onnxruntime

    return onnxruntime.InferenceSession(str(folder / name), providers=['CPUExecutionProvider'])


def test_graphs_agree_with_the_model_and_adapters_are_in_them(exported, tiny):
    folder, parities, made = exported
    assert [p.graph for p in parities] == [
        'video.pt2',
        'video.onnx',
        'text.pt2',
        'text.onnx',
    ]
    assert all(p.largest <= 1e-4 and p.inputs == 3 for p in parities)
    frames = np.random.default_rng(9).integers(0, 256, (4, 4, 16, 16, 3), dtype=np.uint8)
    classes = np.load(folder / 'classes.npy')
    video = session(folder, 'video.onnx')
    cosines, embeds = video.run(None, {'frames': frames, 'classes': classes})
    usual = np.stack([made.score(view_of(clip))[0][0] for clip in frames])
    np.testing.assert_allclose(cosines, usual, atol=1e-4)
    with MSTAInferencer(tiny / 'foundation.safetensors', labels=['x']) as frozen:
        without = F.normalize(frozen.embed(torch.cat([view_of(clip) for clip in frames])), dim=-1)
    assert np.abs(embeds - without.numpy()).max() > 1e-2


def view_of(clip):
    """(T, H, W, 3) -> (1, 1, 3, T, H, W)."""
    return torch.from_numpy(clip).permute(3, 0, 1, 2)[None, None]


def test_any_labels_go_through_the_text_graph(exported):
    folder, _, made = exported
    from projects.msta.tokenizer import tokenize

    texts = ['a video of skating.', 'b', 'a much longer text, ' * 9, 'a video of eating soup.']
    tokens = np.array(tokenize(texts, made.model.backbone.foundation.context_length))
    (embeds,) = session(folder, 'text.onnx').run(None, {'tokens': tokens})
    np.testing.assert_allclose(embeds, made.encode_texts(texts).numpy(), atol=1e-4)
    np.testing.assert_allclose(embeds[3], np.load(folder / 'classes.npy')[1], atol=1e-4)


SQUASH = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=4, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(16, 16), keep_ratio=False, interpolation='bicubic'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]


@pytest.mark.parametrize('views', ['its own', 'squashed'])
def test_the_documented_program_answers_as_the_tool_does(exported, tiny, tmp_path, views):
    """Without torch, whichever way the frames of the model come to their size."""
    folder, _, made = exported
    if views == 'squashed':
        loader, pipeline = made.loader, made.pipeline
        made.loader, made.pipeline = VideoLoader(SQUASH), SQUASH
        try:
            export_model(made, tmp_path / 'out')
            (result,) = made(str(tiny / 'videos' / 'clip 4.mp4'))
        finally:
            made.loader.close()
            made.loader, made.pipeline = loader, pipeline
        folder = tmp_path / 'out'
    else:
        (result,) = made(str(tiny / 'videos' / 'clip 4.mp4'))
    page = (ROOT / 'docs' / 'deploy.md').read_text(encoding='utf-8')
    (program,) = re.findall(r'```python\n(.*?)```', page, re.S)
    (tmp_path / 'program.py').write_text(program, encoding='utf-8')
    video = tiny / 'videos' / 'clip 4.mp4'
    code = "import runpy, sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, '-c', code, tmp_path / 'program.py', folder, video, *made.labels]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.split(' ', 2) for line in done.stdout.splitlines()]
    assert [row[2] for row in rows] == result.labels
    np.testing.assert_allclose([float(row[0]) for row in rows], result.probabilities, atol=2e-3)
    np.testing.assert_allclose([float(row[1]) for row in rows], result.cosines, atol=2e-4)


@pytest.mark.parametrize(
    ('step', 'size', 'expected'),
    [
        (dict(scale=(-1, 256)), 224, {'short_side': 256, 'long_side': None}),
        (dict(scale=(340, 256)), 224, {'short_side': 256, 'long_side': 340}),
        (dict(scale=(-1, 256)), 112, {'short_side': 128, 'long_side': None}),
        (dict(scale=(224, 224), keep_ratio=False), 224, {'width': 224, 'height': 224}),
    ],
)
def test_facts_say_how_frames_are_resized(step, size, expected):
    rule = resize_rule([dict(type='Resize', **step), dict(type='CenterCrop', crop_size=224)], size)
    kept = rule.pop('keep_ratio')
    assert kept is step.get('keep_ratio', True)
    assert rule == {**expected, 'interpolation': 'INTER_LINEAR'}


def test_several_views_are_said(exported, tiny, tmp_path):
    with (
        MSTAInferencer(tiny / 'config.py', tiny / 'adapters.pth', device='cpu') as made,
        pytest.warns(UserWarning, match='averages 6 views'),
    ):
        export_model(made, tmp_path / 'out', onnx=False, torch_export=True)


def test_torch_export_reads_back(exported):
    folder, _, made = exported
    loaded = torch.export.load(folder / 'text.pt2').module()
    from projects.msta.foundation import tokenize

    texts = ['one', 'two words', 'three', 'four', 'five']
    embeds = loaded(tokens=tokenize(texts, 32))
    torch.testing.assert_close(embeds, made.encode_texts(texts))


def test_facts_say_how_to_prepare_frames(exported):
    facts = json.loads((exported[0] / 'meta.json').read_text())
    assert (facts['num_frames'], facts['image_size']) == (4, 16)
    assert facts['resize'] == {
        'keep_ratio': True,
        'short_side': 18,
        'long_side': None,
        'interpolation': 'INTER_LINEAR',
    }
    assert facts['labels'] == exported[2].labels and facts['logit_scale'] == 20


def test_nothing_is_overwritten_or_left_half(exported, tmp_path):
    _, _, made = exported
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(ExportError, match='exists already'):
        export_model(made, tmp_path)
    with pytest.raises(ExportError, match='multiples of 8'):
        export_model(made, tmp_path / 'new', size=17)
    with pytest.raises(ExportError, match='frames=0 must be at least 1'):
        export_model(made, tmp_path / 'new', frames=0)
    assert [p.name for p in tmp_path.iterdir()] == ['file']


def test_what_cannot_be_told_is_refused_before_any_graph_is_made(exported, tmp_path, monkeypatch):
    monkeypatch.setattr('projects.msta.inference.export.make_graphs', None)
    monkeypatch.setattr(exported[2].model.cls_head, 'multi_class', True)
    with pytest.raises(ExportError, match='several labels per video cannot be exported'):
        export_model(exported[2], tmp_path / 'new')


def test_a_graph_that_differs_is_refused(exported):
    video, _ = make_graphs(exported[2].model, 4, 16, 32)
    with pytest.raises(ExportError, match=r'differs from the model by up to 0\.001'):
        video._compare('video.onnx', lambda given: [x + 1e-3 for x in video.module(**given)])


def test_a_missing_package_comes_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(ExportError, match=re.escape(INSTALL)):
        require_onnx()

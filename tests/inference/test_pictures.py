"""tools/visualize.py, and that the attention it draws is the model's own."""

from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch

from projects.msta.inference import pictures
from projects.msta.inference.probes import adapter_norms, cls_attention
from projects.msta.inference.sources import Source
from tests.figures import covered_texts, is_cut


def first_view(inferencer, tiny):
    return inferencer.loader.load(Source(str(tiny / 'videos' / 'clip 2.mp4'))).inputs[0]


@pytest.mark.parametrize('block', [1, 2, 3])
def test_attention_weights_reproduce_the_block(inferencer, tiny, block):
    """With values of one, attention gives one: the weights of patches and CLS must sum to it."""
    clip = first_view(inferencer, tiny)
    weights = cls_attention(inferencer.model, clip, block)
    assert weights.shape == (4, 2, 2) and weights.min() > 0
    assert 0.5 < weights.sum() < 1


def test_attention_follows_what_moves_in_place_and_time(inferencer, tiny):
    """A frame or corner that alone differs gets attention that alone differs."""
    tower = inferencer.model.backbone.foundation.visual
    saved = {name: p.clone() for name, p in tower.named_parameters()}
    clip = torch.full((3, 4, 16, 16), 100, dtype=torch.uint8)
    clip[:, 2, 8:, :8] = 255
    try:
        with torch.no_grad():
            tower.positional_embedding.zero_()
            tower.temporal_embedding.zero_()
        weights = cls_attention(inferencer.model, clip, 1)
    finally:
        tower.load_state_dict(saved)
    others = weights.flatten().tolist()
    odd = others.pop(2 * 4 + 1 * 2 + 0)
    assert max(others) - min(others) < 1e-6
    assert abs(odd - others[0]) > 1e-4


def test_a_block_must_exist(inferencer, tiny):
    with pytest.raises(ValueError, match=r'1\.\.3'):
        cls_attention(inferencer.model, first_view(inferencer, tiny), 4)


def test_norms_are_by_block_and_part(inferencer):
    found = adapter_norms(inferencer.model.backbone.adapter)
    assert set(found) == {'2', '3'} and set(found['2']) == {'video', 'text', 'shared'}
    assert found['2']['shared'] == pytest.approx(0.2, rel=0.3)


@pytest.mark.parametrize('picture', ['attention', 'similarity', 'norms', 'map'])
def test_each_picture_is_drawn(run, tiny, tmp_path, picture):
    model = ['--config', tiny / 'config.py', '--checkpoint', tiny / 'adapters.pth']
    given = {'attention': [tiny / 'videos' / 'clip 0.mp4'], 'map': [tiny / 'videos']}
    if picture == 'map':
        pytest.importorskip('sklearn', reason='pip install -r requirements/visualize.txt')
    out = tmp_path / 'picture.png'
    status, text, error = run(
        'visualize.py', picture, *given.get(picture, []), *model, '--out', out
    )
    assert status == 0, error
    assert text == f'{out}\n'
    image = cv2.imread(str(out))
    assert image.shape[0] > 300 and image.std() > 10
    assert not is_cut(out)


def test_names_in_pictures_are_over_nothing_and_not_cut(tmp_path, monkeypatch):
    names = [f'a ring that orbits square {i} counterclockwise' for i in range(40)]
    drawn = []
    save = pictures.save
    monkeypatch.setattr(pictures, 'save', lambda figure, path: drawn.append(figure))
    rng = np.random.default_rng(0)
    # Stars in bundles, as similar names make them.
    classes = (rng.normal(size=(8, 1, 16)) + 0.05 * rng.normal(size=(8, 5, 16))).reshape(40, 16)
    if find_spec('sklearn'):
        answers = rng.integers(0, 40, 60).tolist()
        pictures.draw_map(rng.normal(size=(60, 16)), answers, classes, names, tmp_path / 'map.png')
    both = {'before training': np.corrcoef(classes[:10])} | {'after training': np.eye(10)}
    pictures.draw_similarities(both, names[:10], tmp_path / 'similarity.png')
    for number, figure in enumerate(drawn):
        assert not covered_texts(figure)
        save(figure, tmp_path / f'{number}.png')
        assert not is_cut(tmp_path / f'{number}.png')


def test_mistakes_are_explained(run, tiny, tmp_path):
    weights = ['--config', tiny / 'foundation.safetensors', '--labels', 'a,b']
    status, _, error = run('visualize.py', 'norms', *weights, '--out', tmp_path / 'a.png')
    assert status == 2 and 'no adapters' in error
    status, _, error = run('visualize.py', 'similarity', *weights, '--out', tmp_path / 'a.doc')
    assert status == 2 and '.png' in error
    status, _, error = run(
        'visualize.py', 'similarity', *weights[:3], 'a,', '--out', tmp_path / 'a.png'
    )
    assert status == 2 and 'at least two labels' in error
    assert list(tmp_path.iterdir()) == []

"""Perception Encoder: against outputs of the original code, and what may not be guessed of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from projects.msta.foundation import FoundationError, build_foundation, load_foundation, tokenize

from .references import TimmTower, differences, worst

GOLDEN = Path(__file__).parents[1] / 'data' / 'pe_core_mini.pt'
# float32 sums in another order: a few units in the last place of values of order 1.
FEATURES = 2e-5
HEADS = {'heads': 2, 'text_heads': 2}


@pytest.fixture(scope='module')
def golden():
    """Outputs of the original code on a random tiny model."""
    return torch.load(GOLDEN, weights_only=True)


@pytest.fixture(scope='module')
def path(golden, tmp_path_factory):
    file = tmp_path_factory.mktemp('golden') / 'pe.pt'
    torch.save(golden['state_dict'], file)
    return file


@pytest.fixture(scope='module')
def model(path):
    return load_foundation(path, **HEADS).eval()


def clips(images):
    """``(B, T, C, H, W)`` -> ``(B, C, T, H, W)``."""
    return images.transpose(1, 2)


@torch.no_grad()
def test_every_block_of_the_video_tower(golden, model):
    outputs = []
    hooks = [
        block.register_forward_hook(lambda _m, _i, out: outputs.append(out))
        for block in model.visual.transformer.blocks
    ]
    model.encode_video(clips(golden['video']))
    for hook in hooks:
        hook.remove()
    assert len(outputs) == len(golden['vision_block_outputs'])
    for ours, theirs in zip(outputs, golden['vision_block_outputs'], strict=True):
        assert worst(ours, theirs) < FEATURES


@torch.no_grad()
def test_frames_clips_texts_and_scores(golden, model):
    video = clips(golden['video'])
    frames = torch.stack([model.encode_video(video[:, :, t : t + 1]) for t in range(3)], dim=1)
    theirs = F.normalize(golden['image_features'], dim=-1)  # one frame is its own mean
    assert worst(frames, theirs) < FEATURES
    clip = model.encode_video(video)
    assert worst(clip, golden['video_mean_of_normalised']) < FEATURES
    assert worst(clip, golden['video_mean_of_raw']) > 100 * FEATURES
    assert worst(model.encode_video(video[:, :, :2]), theirs[:, :2].mean(1)) < FEATURES
    text = model.encode_text(golden['tokens'])
    assert worst(text, golden['text_features']) < FEATURES
    cosine = F.normalize(frames[:, 0], dim=-1) @ F.normalize(text, dim=-1).T
    assert worst(cosine, golden['cosine_first_frames']) < FEATURES
    assert float(model.logit_scale) == pytest.approx(golden['logit_scale_exp'], rel=1e-6)


@torch.no_grad()
def test_raw_features_of_frames(golden, path):
    raw = load_foundation(path, **HEADS).eval()
    raw.visual.arch = replace(raw.arch, frame_mean='raw')
    video = clips(golden['video'])
    assert worst(raw.encode_video(video[:, :, :1]), golden['image_features'][:, 0]) < FEATURES
    assert worst(raw.encode_video(video), golden['video_mean_of_raw']) < FEATURES


@torch.no_grad()
def test_another_image_size(golden, model):
    ours = model.encode_video(golden['other'].unsqueeze(2))
    assert worst(ours, F.normalize(golden['other_size_features'], dim=-1)) < FEATURES


def test_texts_are_tokenised_as_in_the_original(golden, model):
    assert torch.equal(model.tokenize(golden['texts']), golden['tokens'])
    assert torch.equal(tokenize(golden['texts'], 32), golden['tokens'])


def test_the_file_says_everything_but_heads(path, model):
    arch = model.arch
    assert (arch.kind, arch.pooling, arch.pool_heads) == ('PerceptionEncoder', 'attention', 8)
    assert model.mean == model.std == (0.5, 0.5, 0.5)
    assert (arch.resize, arch.interpolation) == ('squash', 'bilinear')
    with pytest.raises(FoundationError, match='nothing says heads, text_heads, which'):
        load_foundation(path)
    with pytest.raises(FoundationError, match=r"pooling='attention'.*says 'cls'"):
        load_foundation(path, **HEADS, pooling='cls')
    with pytest.raises(FoundationError, match='mean='):
        load_foundation(path, **HEADS, mean=(0.4, 0.4, 0.4))


def test_a_spelt_out_architecture_is_the_same(model):
    sizes = {'embed_dim': 24, 'image_size': 24, 'patch_size': 8, 'width': 32, 'layers': 3,
             'text_width': 16, 'text_layers': 3, 'context_length': 32, **HEADS}  # fmt: skip
    built = build_foundation({'type': 'PerceptionEncoder', 'arch': sizes})
    assert built.arch == model.arch


@pytest.mark.parametrize('class_token', [True, False])
def test_second_reference_timm(tmp_path, class_token):
    """Towers of timm as OpenCLIP keeps them, with a class token and (as G) without."""
    theirs = TimmTower('PerceptionEncoder', class_token)
    torch.save(theirs.state_dict(), tmp_path / 'pe.pt')
    ours = load_foundation(tmp_path / 'pe.pt', heads=4, text_heads=2)
    assert ours.arch.class_token == class_token
    found = differences(ours, theirs)
    assert max(found) < FEATURES, found
    state = theirs.state_dict()
    state['visual.trunk.head.bias'] += 1
    torch.save(state, tmp_path / 'pe.pt')
    with pytest.raises(FoundationError, match='projection of a Perception Encoder has no bias'):
        load_foundation(tmp_path / 'pe.pt', heads=4, text_heads=2)

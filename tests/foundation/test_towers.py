"""Behaviour of the towers: shortcuts change nothing, sizes may vary, bad shapes are named."""

import pytest
import torch

from projects.msta.foundation import FoundationError, TextState, build_foundation, tokenize
from projects.msta.foundation.transformer import take_rows

ARCH = {
    'image_size': 32, 'patch_size': 8, 'width': 64, 'layers': 3, 'heads': 2, 'embed_dim': 24,
    'text_width': 32, 'text_layers': 3, 'text_heads': 2, 'context_length': 32, 'num_frames': 8,
}  # fmt: skip
# The same sums in another order, in float32.
EQUAL = 2e-6


@pytest.fixture(scope='module', params=['ViCLIP', 'CLIP'])
def model(request):
    torch.manual_seed(0)
    return build_foundation({'type': request.param, 'arch': ARCH}).eval()


@pytest.fixture(scope='module')
def tokens():
    texts = ['a', 'a video of a very long sentence about swimming in the sea.', 'jumping']
    return tokenize(texts, 32)


@torch.no_grad()
def test_reading_off_one_row_equals_computing_all(model, tokens):
    video = torch.randn(2, 3, 8, 32, 32)
    layout = model.visual.layout(video)
    everything = model.visual.transformer(model.visual.embed(video, layout), layout)
    assert torch.allclose(
        model.visual.project(everything[:, :1], layout), model.encode_video(video), atol=EQUAL
    )
    x = model.text.token_embedding(tokens) + model.text.positional_embedding
    for block in model.text.transformer.blocks:
        x = block(x, layout.__class__('text'))
    plain = model.text.ln_final(take_rows(x, tokens.argmax(-1))[:, 0]) @ model.text.proj
    assert torch.allclose(plain, model.encode_text(tokens), atol=EQUAL)


@torch.no_grad()
def test_text_padding_and_batch_do_not_matter(model, tokens):
    together = model.encode_text(tokens)
    alone = torch.cat([model.encode_text(row[None]) for row in tokens])
    assert torch.allclose(together, alone, atol=EQUAL)


@torch.no_grad()
@pytest.mark.parametrize('block', [1, 2, 3])
def test_a_text_state_may_stop_anywhere(model, tokens, block):
    state = model.text.advance(model.text.embed(tokens), block)
    assert isinstance(state, TextState) and state.block == block
    assert torch.allclose(model.text.finish(state), model.encode_text(tokens), atol=EQUAL)


@torch.no_grad()
@pytest.mark.parametrize('shape', [(8, 64, 64), (8, 32, 48), (16, 32, 32), (3, 32, 32)])
def test_other_sizes_and_frame_counts(model, shape):
    embeds = model.encode_video(torch.randn(1, 3, *shape))
    assert embeds.shape == (1, 24) and torch.isfinite(embeds).all()


@torch.no_grad()
def test_positions_are_exact_at_the_trained_size_and_smooth_beyond(model):
    visual = model.visual
    assert visual.spatial_positions(4, 4) is visual.positional_embedding
    with torch.no_grad():
        flat = torch.ones_like(visual.positional_embedding)
        kept = visual.positional_embedding.clone()
        visual.positional_embedding.copy_(flat)
        assert torch.allclose(visual.spatial_positions(7, 5), torch.ones(36, 64), atol=1e-5)
        visual.positional_embedding.copy_(kept)


@pytest.mark.parametrize('shape', [(1, 3, 8, 33, 32), (1, 1, 8, 32, 32), (3, 8, 32, 32)])
def test_bad_video_shapes_are_named(model, shape):
    with pytest.raises(FoundationError, match=r'patches of 8x8|a video batch is'):
        model.encode_video(torch.zeros(shape))


def test_bad_tokens_are_named(model):
    with pytest.raises(FoundationError, match='L at most 32'):
        model.encode_text(torch.zeros(1, 33, dtype=torch.int64))
    with pytest.raises(FoundationError, match='token id 60000 is outside'):
        model.encode_text(torch.full((1, 4), 60000))


@pytest.mark.parametrize(
    ('arch', 'words'),
    [('b17', 'no preset'), ({**ARCH, 'heads': 3}, 'split evenly'), ({'width': 4}, 'incomplete'),
     ({**ARCH, 'patch_size': 7}, 'not a multiple'), ({**ARCH, 'depth': 3}, r"\['depth'\]")],
)  # fmt: skip
def test_bad_architectures_are_named(arch, words):
    with pytest.raises(FoundationError, match=words):
        build_foundation({'type': 'ViCLIP', 'arch': arch})


def test_activation_checkpointing_gives_the_same_gradients(tokens):
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(0)
        model = build_foundation({'type': 'ViCLIP', 'arch': ARCH})
        model.text.transformer.recompute = recompute
        model.encode_text(tokens).square().sum().backward()
        gradients.append(model.text.token_embedding.weight.grad)
    assert torch.equal(*gradients)

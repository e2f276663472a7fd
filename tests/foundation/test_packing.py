"""Packed texts equal texts encoded one by one, with their gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.msta.foundation import TextState, TokenLayout, build_foundation, tokenize

ARCH = {
    'image_size': 8, 'patch_size': 8, 'width': 16, 'layers': 1, 'heads': 1, 'embed_dim': 12,
    'text_width': 16, 'text_layers': 3, 'text_heads': 2, 'context_length': 16, 'num_frames': 2,
}  # fmt: skip
WORDS = ['a', 'video', 'of', 'swimming', 'photosynthesis', '.']


@pytest.fixture(scope='module')
def text():
    torch.manual_seed(0)
    # In float64, where another order of the sums is far below what a wrong one would change.
    return build_foundation({'type': 'ViCLIP', 'arch': ARCH}).text.double()


def plainly(text, tokens, context=None):
    """Every text for itself, all its tokens, no shortcut."""
    found = []
    for row in tokens:
        x = text.token_embedding(row[None])
        end = int(row.argmax())
        if context is not None:
            x = torch.cat([x[:, :1], context[None], x[:, 1:]], dim=1)[:, : len(row)]
            end += len(context)
        x = x + text.positional_embedding
        for block in text.transformer.blocks:
            x = block(x, TokenLayout('text'))
        found.append(text.ln_final(x[0, end]) @ text.proj)
    return torch.stack(found)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=4), min_size=1, max_size=6))
def test_packed_texts_equal_texts_alone(text, texts):
    tokens = tokenize([' '.join(words) for words in texts], 16)
    state = text.embed(tokens)
    assert state.x.shape[:2] == (1, state.packing.shared + int(state.packing.lengths.sum()))
    assert torch.allclose(text(tokens), plainly(text, tokens), atol=1e-12)


def test_what_all_begin_with_is_there_once(text):
    tokens = tokenize(['a video of hop.', 'a video of swimming fast.', 'a video of hop.'], 16)
    packing = text.embed(tokens).packing
    assert packing.shared == 4  # start, a, video, of
    assert packing.lengths.tolist() == [3, 4, 3]
    assert text.embed(tokens[:1]).packing.lengths.tolist() == [1]  # the end is a text's own


def test_texts_may_have_nothing_in_common(text):
    tokens = torch.tensor([[5, 6, 49407, 0], [7, 49407, 0, 0]])
    assert text.embed(tokens).packing.shared == 0
    padded = torch.nn.functional.pad(tokens, (0, 12))
    assert torch.allclose(text(tokens), plainly(text, padded), atol=1e-12)


def test_gradients_are_those_of_texts_alone(text):
    tokens = tokenize(['a video of hop.', 'a video of swimming fast.', 'a video of a.'], 16)
    context = torch.randn(3, 16, dtype=torch.float64, requires_grad=True)
    parameters = [*text.parameters(), context]
    states = TextState(tokens, tokens.argmax(-1), 0)
    weights = torch.randn(3, 12, dtype=torch.float64)
    ours, theirs = (
        torch.autograd.grad((embeds * weights).sum(), parameters)
        for embeds in (text.finish(states, context=context), plainly(text, tokens, context))
    )
    assert context.grad is None and ours[-1].abs().max() > 1e-4
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-11)


def test_no_texts_give_no_embeddings(text):
    assert text(torch.zeros(0, 16, dtype=torch.int64)).shape == (0, 12)

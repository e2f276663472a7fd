"""Long-CLIP: two tables of positions, texts longer than 77 tokens, against OpenCLIP's towers."""

import pytest
import torch

from projects.msta.foundation import FoundationError, load_foundation

from .references import VOCAB, OpenCLIP, random_images, random_tokens, worst

FEATURES = 2e-5
LONG = 248


@pytest.fixture(scope='module')
def theirs():
    """OpenCLIP's towers with the widths per head that OpenAI's have."""
    return OpenCLIP({'head_width': 64}, {'context_length': LONG}, quick_gelu=True)


@pytest.fixture
def state(theirs):
    """As Long-CLIP keeps it: each table holds what the mask of the other one hides."""
    made = dict(theirs.model.state_dict())
    whole = made['positional_embedding']
    torch.manual_seed(0)
    first, rest = torch.randn(2, *whole.shape)
    first[:20], rest[20:] = whole[:20], whole[20:]
    return {**made, 'positional_embedding': first, 'positional_embedding_res': rest}


@torch.no_grad()
def test_long_and_short_texts(theirs, state, tmp_path):
    torch.save(state, tmp_path / 'longclip.pt')
    ours = load_foundation(tmp_path / 'longclip.pt')
    assert (ours.context_length, ours.arch.activation) == (LONG, 'quick_gelu')
    assert (ours.arch.heads, ours.arch.text_heads) == (2, 1)
    tokens = random_tokens(VOCAB, LONG)
    assert worst(ours.encode_text(tokens), theirs.model.encode_text(tokens)) < FEATURES
    short = random_tokens(VOCAB, 18)
    padded = torch.zeros(len(short), LONG, dtype=torch.int64)
    padded[:, :18] = short
    assert worst(ours.encode_text(short), theirs.model.encode_text(padded)) < FEATURES
    video = random_images()
    frames = theirs.model.encode_image(video.transpose(1, 2).flatten(0, 1))
    assert worst(ours.encode_video(video), frames.unflatten(0, (2, 3)).mean(1)) < FEATURES


def test_a_torn_pair_of_tables(state, tmp_path):
    state['positional_embedding_res'] = state['positional_embedding_res'][:77]
    torch.save(state, tmp_path / 'longclip.pt')
    with pytest.raises(FoundationError, match='in Long-CLIP they are alike'):
        load_foundation(tmp_path / 'longclip.pt')

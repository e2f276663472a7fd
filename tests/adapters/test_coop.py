"""CoOp: where the vectors stand, what they start from, what fits the context."""

import pytest
import torch

from projects.msta.foundation import FoundationError
from tests.adapters.helpers import disturb, make, text_of, words


@pytest.mark.parametrize('kind', ['ViCLIP', 'CLIP'])
@torch.no_grad()
def test_words_to_start_from_equal_the_template(kind):
    foundation, adapter = make({'type': 'CoOp', 'init': 'a_video_of'}, kind)
    assert adapter.context.shape == (3, 16)
    short = words('swimming.', 'jumping over a fence.')
    long = words('a video of swimming.', 'a video of jumping over a fence.')
    assert torch.allclose(
        text_of(foundation, adapter, short), foundation.encode_text(long), atol=2e-6
    )
    disturb(adapter)
    change = text_of(foundation, adapter, short) - foundation.encode_text(long)
    assert change.abs().max() > 1e-3


@torch.no_grad()
def test_it_starts_from_the_words_of_the_weights_read_later():
    foundation, adapter = make({'type': 'CoOp', 'init': 'a video of'})
    foundation.text.token_embedding.weight.mul_(2)
    adapter.foundation_loaded(foundation)
    long = words('a video of swimming.')
    found = text_of(foundation, adapter, words('swimming.'))
    assert torch.allclose(found, foundation.encode_text(long), atol=2e-6)


@torch.no_grad()
def test_padding_and_the_other_texts_do_not_matter():
    foundation, adapter = make({'type': 'CoOp', 'context': 4})
    tokens = words('swimming.', 'jumping over a fence.')
    together = text_of(foundation, adapter, tokens)
    alone = torch.cat([text_of(foundation, adapter, row[None, :10]) for row in tokens])
    assert torch.allclose(together, alone, atol=2e-6)


def test_what_does_not_fit_the_context_is_refused():
    foundation, adapter = make({'type': 'CoOp', 'context': 9})  # of 16
    text_of(foundation, adapter, words('jumping over a fence.'))  # 7 with start and end
    with pytest.raises(FoundationError, match=r'8 tokens and 9 context vectors.*at most 8'):
        text_of(foundation, adapter, words('jumping over a big fence.'))


def test_random_vectors_are_small_and_seeded():
    first, second = (make({'type': 'CoOp', 'context': 8})[1].context for _ in range(2))
    assert torch.equal(first, second)
    assert 0.01 < first.std() < 0.03

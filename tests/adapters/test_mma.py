"""MMA: MSTA without its temporal part."""

import torch

from tests.adapters.helpers import make, text_of, video_of


@torch.no_grad()
def test_it_is_msta_without_the_temporal_part():
    options = {'blocks': (2, 4), 'dim': 8, 'scale': 0.1}
    foundation, mma = make({'type': 'MMA', **options})
    _, msta = make({'type': 'MSTAAdapter', 'temporal': 'none', **options})
    assert set(mma.state_dict()) == set(msta.state_dict())
    msta.load_state_dict(mma.state_dict())
    assert torch.equal(video_of(foundation, mma), video_of(foundation, msta))
    assert torch.equal(text_of(foundation, mma), text_of(foundation, msta))

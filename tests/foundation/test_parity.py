"""Our towers against the original ViCLIP: same weights, same input."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from projects.msta.foundation import TokenLayout, build_foundation, load_foundation

from .references import worst

GOLDEN = Path(__file__).parents[1] / 'data' / 'viclip_mini.pt'
# float32 sums in another order: a few units in the last place of values of order 1 to 10.
FEATURES = 2e-5
LOGITS = 1e-4


@pytest.fixture(scope='module')
def golden():
    """Outputs of the original ViCLIP code on a random tiny model."""
    return torch.load(GOLDEN, weights_only=True)


@pytest.fixture(scope='module')
def viclip(golden, tmp_path_factory):
    path = tmp_path_factory.mktemp('golden') / 'mini.pth'
    torch.save(golden['checkpoint'], path)
    return load_foundation(path, heads=1, text_heads=1).eval()


@torch.no_grad()
def test_viclip_every_block(golden, viclip):
    outputs = []
    blocks = [*viclip.visual.transformer.blocks, *viclip.text.transformer.blocks]
    hooks = [b.register_forward_hook(lambda _m, _i, out: outputs.append(out)) for b in blocks]
    video = golden['video'].transpose(1, 2)
    layout = viclip.visual.layout(video)
    tokens = viclip.visual.embed(video, layout)
    assert worst(tokens, golden['vision_ln_pre']) < FEATURES
    x = viclip.visual.transformer(tokens, layout)
    assert worst(viclip.visual.ln_post(x), golden['vision_ln_post']) < FEATURES
    state = viclip.text.embed(golden['tokens'])
    full_length = viclip.text.token_embedding(golden['tokens']) + viclip.text.positional_embedding
    x = viclip.text.transformer(full_length, TokenLayout('text'))
    assert worst(viclip.text.ln_final(x), golden['text_ln_final']) < FEATURES
    assert state.x.shape[1] < full_length[..., 0].numel()  # packed, without padding
    for hook in hooks:
        hook.remove()
    expected = [*golden['vision_block_outputs'], *golden['text_block_outputs']]
    assert len(outputs) == len(expected)
    for ours, theirs in zip(outputs, expected, strict=True):
        assert worst(ours, theirs) < FEATURES


@torch.no_grad()
def test_viclip_embeddings_and_both_logit_scales(golden, viclip):
    video = viclip.encode_video(golden['video'].transpose(1, 2))
    text = viclip.encode_text(golden['tokens'])
    assert worst(video, golden['vision_embeds']) < FEATURES
    assert worst(text, golden['text_embeds']) < FEATURES
    cosine = F.normalize(video, dim=-1) @ F.normalize(text, dim=-1).T
    assert worst(cosine, golden['cosine']) < FEATURES
    assert float(viclip.logit_scale) == pytest.approx(golden['inv_temp'], rel=1e-6)
    assert worst(viclip.logit_scale * cosine, golden['logits_inv_temp']) < LOGITS
    assert worst(100 * cosine, golden['logits_100']) < LOGITS


@torch.no_grad()
def test_viclip_single_frame(golden, viclip):
    frame = golden['video'].transpose(1, 2)[:, :, :1]
    assert worst(viclip.encode_video(frame), golden['single_frame_embeds']) < FEATURES


@pytest.mark.parametrize(
    ('kind', 'arch', 'millions'),
    [('CLIP', 'b32', 151.3), ('CLIP', 'b16', 149.6), ('CLIP', 'l14', 427.6),
     ('ViCLIP', 'b16', 149.6), ('ViCLIP', 'l14', 427.6)],
)  # fmt: skip
def test_published_sizes(kind, arch, millions):
    with torch.device('meta'):
        model = build_foundation({'type': kind, 'arch': arch})
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)

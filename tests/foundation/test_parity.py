"""Our towers against the original ViCLIP, open_clip and Hugging Face, same weights, same input."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from projects.msta import compat
from projects.msta.foundation import TokenLayout, build_foundation, load_foundation

compat.apply()  # the reference libraries import torchvision
GOLDEN = Path(__file__).parents[1] / 'data' / 'viclip_mini.pt'
# float32 sums in another order: a few units in the last place of values of order 1 to 10.
FEATURES = 2e-5
LOGITS = 1e-4


def worst(ours, theirs):
    assert ours.shape == theirs.shape
    return (ours - theirs).abs().max().item()


@pytest.fixture(scope='module')
def golden():
    """Outputs of the original ViCLIP code on a random tiny model."""
    return torch.load(GOLDEN, weights_only=True)


@pytest.fixture(scope='module')
def viclip(golden, tmp_path_factory):
    path = tmp_path_factory.mktemp('golden') / 'mini.pth'
    torch.save(golden['checkpoint'], path)
    return load_foundation(path).eval()


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


def random_images(size, frames=3):
    return torch.randn(2, 3, frames, size, size, generator=torch.Generator().manual_seed(1))


def random_tokens(vocab, length):
    generator = torch.Generator().manual_seed(2)
    tokens = torch.zeros(5, length, dtype=torch.int64)
    for row, size in enumerate((3, length, 4, 7, length - 1)):
        tokens[row, : size - 1] = torch.randint(1, vocab - 1, (size - 1,), generator=generator)
        tokens[row, size - 1] = vocab - 1
    return tokens


def open_clip_model(quick_gelu):
    import open_clip

    torch.manual_seed(0)
    return open_clip.CLIP(
        embed_dim=48,
        vision_cfg={'image_size': 32, 'patch_size': 8, 'width': 128, 'layers': 3, 'head_width': 64},
        text_cfg={'context_length': 12, 'vocab_size': 300, 'width': 64, 'heads': 1, 'layers': 2},
        quick_gelu=quick_gelu,
    ).eval()


@pytest.mark.parametrize('quick_gelu', [True, False])
@torch.no_grad()
def test_open_clip(tmp_path, quick_gelu):
    theirs = open_clip_model(quick_gelu)
    torch.save(theirs.state_dict(), tmp_path / 'open_clip.pt')
    ours = load_foundation(
        tmp_path / 'open_clip.pt', activation='quick_gelu' if quick_gelu else None
    ).eval()
    video, tokens = random_images(32), random_tokens(300, 12)
    frames = video.transpose(1, 2).flatten(0, 1)
    by_frame = theirs.encode_image(frames).unflatten(0, (2, 3)).mean(1)
    assert worst(ours.encode_video(video), by_frame) < FEATURES
    assert worst(ours.encode_text(tokens), theirs.encode_text(tokens)) < FEATURES
    assert float(ours.logit_scale) == pytest.approx(float(theirs.logit_scale.exp()), rel=1e-6)


@pytest.mark.parametrize('form', ['folder', 'file', 'pytorch_model.bin'])
@torch.no_grad()
def test_hugging_face(tmp_path, form):
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={
            'vocab_size': 300, 'hidden_size': 64, 'intermediate_size': 256, 'projection_dim': 48,
            'num_hidden_layers': 2, 'num_attention_heads': 2, 'max_position_embeddings': 12,
            'hidden_act': 'gelu', 'eos_token_id': 299, 'bos_token_id': 0, 'pad_token_id': 1,
        },
        vision_config={
            'hidden_size': 128, 'intermediate_size': 512, 'projection_dim': 48, 'image_size': 32,
            'patch_size': 8, 'num_hidden_layers': 3, 'num_attention_heads': 4, 'hidden_act': 'gelu',
        },
        projection_dim=48,
    )  # fmt: skip
    if form == 'file':  # a lone file cannot tell: CLIP's own activation and heads are assumed
        config.text_config.hidden_act = config.vision_config.hidden_act = 'quick_gelu'
        config.text_config.num_attention_heads = 1
        config.vision_config.num_attention_heads = 2
    theirs = CLIPModel(config).eval()
    theirs.save_pretrained(tmp_path)
    path = tmp_path / 'model.safetensors' if form == 'file' else tmp_path
    if form == 'pytorch_model.bin':
        torch.save(theirs.state_dict(), tmp_path / form)
        (tmp_path / 'model.safetensors').unlink()
    ours = load_foundation(path).eval()
    video, tokens = random_images(32), random_tokens(300, 12)
    frames = video.transpose(1, 2).flatten(0, 1)
    vision = theirs.visual_projection(theirs.vision_model(pixel_values=frames).pooler_output)
    # Without an attention mask: padding comes after the end-of-text token, under a causal mask.
    text = theirs.text_projection(theirs.text_model(input_ids=tokens).pooler_output)
    assert worst(ours.encode_video(video), vision.unflatten(0, (2, 3)).mean(1)) < FEATURES
    assert worst(ours.encode_text(tokens), text) < FEATURES
    assert float(ours.logit_scale) == pytest.approx(float(theirs.logit_scale.exp()), rel=1e-6)


@pytest.mark.parametrize(
    ('kind', 'arch', 'millions'),
    [('CLIP', 'b32', 151.3), ('CLIP', 'b16', 149.6), ('CLIP', 'l14', 427.6),
     ('ViCLIP', 'b16', 149.6), ('ViCLIP', 'l14', 427.6)],
)  # fmt: skip
def test_published_sizes(kind, arch, millions):
    with torch.device('meta'):
        model = build_foundation({'type': kind, 'arch': arch})
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)

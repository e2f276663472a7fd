"""Video-tuned CLIPs as their trainings keep them: ViFi-CLIP, Open-VCLIP, and wrappers."""

import pytest
import torch
import torch.nn.functional as F

from projects.msta.foundation import FoundationError, load_foundation

from .references import CONTEXT, VOCAB, OpenCLIP, differences, random_images, worst

FEATURES = 2e-5
NEIGHBOURS = {'frame_attention': 'neighbours'}


@pytest.fixture(scope='module')
def theirs():
    """OpenCLIP's towers with the widths per head and the activation that OpenAI's have."""
    return OpenCLIP({'head_width': 64}, {}, quick_gelu=True)


@pytest.fixture(scope='module')
def clip(theirs, tmp_path_factory):
    return theirs.save(tmp_path_factory.mktemp('clip'), 'clip.pt', config=False)


def vifi_state(theirs):
    state = {'module.prompt_learner.complete_text_embeddings': prompts(theirs)}
    for key, value in theirs.model.state_dict().items():
        if key.startswith('visual.'):
            state[f'module.image_encoder.{key.removeprefix("visual.")}'] = value
        elif key == 'logit_scale':
            state['module.logit_scale'] = value
        elif key not in ('token_embedding.weight', 'attn_mask'):
            state[f'module.text_encoder.{key}'] = value
    return state


def prompts(theirs):
    tokens = torch.full((3, CONTEXT), 5)
    tokens[:, 0] = VOCAB - 2
    return theirs.model.token_embedding(tokens).detach().half()


def test_vifi_clip_with_the_token_embedding_of_its_clip(theirs, clip, tmp_path):
    torch.save({'model': vifi_state(theirs), 'epoch': 3}, tmp_path / 'vifi.pth')
    with pytest.raises(FoundationError, match='has no token embedding: ViFi-CLIP'):
        load_foundation(tmp_path / 'vifi.pth')
    ours = load_foundation(tmp_path / 'vifi.pth', clip)
    assert (ours.arch.activation, ours.arch.frame_attention) == ('quick_gelu', 'own')
    found = differences(ours, theirs)
    assert max(found) < FEATURES, found


def test_the_token_embedding_of_another_clip(theirs, tmp_path):
    torch.save({'model': vifi_state(theirs)}, tmp_path / 'vifi.pth')
    state = theirs.model.state_dict()
    other = {**state, 'token_embedding.weight': state['token_embedding.weight'] + 0.1}
    torch.save(other, tmp_path / 'other.pt')
    with pytest.raises(FoundationError, match='not that of the CLIP it was tuned from'):
        load_foundation(tmp_path / 'vifi.pth', tmp_path / 'other.pt')
    with pytest.raises(FoundationError, match=r'there is no .*gone'):
        load_foundation(tmp_path / 'vifi.pth', tmp_path / 'gone.pt')
    said = {'activation': 'quick_gelu'}
    with pytest.raises(FoundationError, match='has a token embedding of its own'):
        load_foundation(tmp_path / 'other.pt', tmp_path / 'other.pt', **said)


def test_vifi_clip_tuned_by_prompts(theirs, clip, tmp_path):
    for key in ('module.prompt_learner.ctx', 'module.image_encoder.VPT'):
        torch.save({**vifi_state(theirs), key: torch.zeros(4, 64)}, tmp_path / 'vifi.pth')
        with pytest.raises(FoundationError, match='was tuned by prompts'):
            load_foundation(tmp_path / 'vifi.pth', clip)


def test_a_checkpoint_with_more_than_tensors_says_how_to_convert_it(tmp_path):
    torch.save({'model': {}, 'config': pytest.Item}, tmp_path / 'vifi.pth')
    with pytest.raises(FoundationError, match=r'more than tensors.*docs/foundations\.md'):
        load_foundation(tmp_path / 'vifi.pth')


# ------------------------------------------------------------------ Open-VCLIP


def slowfast(theirs, raw=False):
    state = {f'model.{key}': value for key, value in theirs.model.state_dict().items()}
    if raw:
        state |= {f'raw_{key}': value + 1.0 for key, value in state.items()}
    return {'model_state': state, 'epoch': 22}


def attend(block, x):
    """One block on a clip ``(T, L, W)``: each frame sees the next, the previous and itself."""
    attn, z = block.attn, block.ln_1(x)
    q, k, v = F.linear(z, attn.in_proj_weight, attn.in_proj_bias).chunk(3, dim=-1)
    nothing, mixed = torch.zeros_like(k[0]), []
    for t in range(len(x)):
        places = (t + 1, t - 1, t)
        keys, values = (
            torch.cat([part[p] if 0 <= p < len(x) else nothing for p in places]) for part in (k, v)
        )
        heads = [
            (a @ b.T * a.shape[-1] ** -0.5).softmax(-1) @ c
            for a, b, c in zip(
                *(part.chunk(attn.num_heads, dim=-1) for part in (q[t], keys, values)), strict=True
            )
        ]
        mixed.append(torch.cat(heads, dim=-1))
    x = x + attn.out_proj(torch.stack(mixed))
    return x + block.mlp(block.ln_2(x))


@torch.no_grad()
@pytest.mark.parametrize('frames', [1, 2, 5])
def test_open_vclip_attends_to_neighbouring_frames(theirs, tmp_path, frames):
    torch.save(slowfast(theirs), tmp_path / 'swa.pth')
    ours = load_foundation(tmp_path / 'swa.pth', **NEIGHBOURS).eval()
    video = random_images(frames=frames)
    visual, expected = theirs.model.visual, []
    for one in video.transpose(1, 2):
        x = visual.conv1(one).flatten(2).transpose(1, 2)
        cls = visual.class_embedding.expand(frames, 1, -1)
        x = visual.ln_pre(torch.cat([cls, x], dim=1) + visual.positional_embedding)
        for block in visual.transformer.resblocks:
            x = attend(block, x)
        expected.append(F.normalize(visual.ln_post(x[:, 0]) @ visual.proj, dim=-1).mean(0))
    assert worst(ours.encode_video(video), torch.stack(expected)) < FEATURES
    alone = load_foundation(tmp_path / 'swa.pth', frame_attention='own').eval()
    assert worst(alone.encode_video(video), torch.stack(expected)) > 100 * FEATURES


def test_what_its_frames_see_is_not_guessed(theirs, tmp_path):
    torch.save(slowfast(theirs), tmp_path / 'swa.pth')
    with pytest.raises(FoundationError, match='nothing says frame_attention, which'):
        load_foundation(tmp_path / 'swa.pth')


def test_the_clip_it_was_tuned_from_is_left_out(theirs, tmp_path):
    torch.save(slowfast(theirs, raw=True), tmp_path / 'swa.pth')
    ours = load_foundation(tmp_path / 'swa.pth', **NEIGHBOURS)
    torch.save(slowfast(theirs), tmp_path / 'alone.pth')
    assert ours.fingerprint() == load_foundation(tmp_path / 'alone.pth', **NEIGHBOURS).fingerprint()


# ------------------------------------------------------------------ wrappers


@pytest.mark.parametrize('prefix', ['module.', 'clip_model.', 'module.backbone.clip.'])
def test_what_a_wrapper_puts_before_every_key_is_dropped(theirs, clip, tmp_path, prefix):
    state = {prefix + key: value for key, value in theirs.model.state_dict().items()}
    torch.save({'state_dict': state}, tmp_path / 'wrapped.pt')
    said = {
        'activation': 'quick_gelu', 'heads': 2, 'text_heads': 1, 'norm_eps': 1e-5,
        'text_norm_eps': 1e-5, 'pooling': 'cls', 'text_pooling': 'argmax', 'causal': True,
        'frame_attention': 'own', 'tokenizer': 'clip', 'mean': (0.5,) * 3, 'std': (0.5,) * 3,
        'resize': 'shortest', 'interpolation': 'bicubic',
    }  # fmt: skip
    plain, wrapped = (load_foundation(f, **said) for f in (clip, tmp_path / 'wrapped.pt'))
    assert plain.fingerprint() == wrapped.fingerprint()
    state['head.weight'] = torch.zeros(2)
    torch.save(state, tmp_path / 'wrapped.pt')
    with pytest.raises(FoundationError, match='not a video-language foundation model'):
        load_foundation(tmp_path / 'wrapped.pt', **said)

"""Reading weight files: every form by content, damaged, foreign and hostile ones refused."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from projects.msta.foundation import (
    FoundationError,
    build_foundation,
    describe_missing,
    load_foundation,
    said_by_config,
    save_foundation,
)

ARCH = {
    'image_size': 16, 'patch_size': 8, 'width': 64, 'layers': 2, 'heads': 1, 'embed_dim': 24,
    'text_width': 64, 'text_layers': 2, 'text_heads': 1, 'context_length': 8, 'vocab_size': 100,
    'num_frames': 8, 'resize': 'shortest', 'interpolation': 'bilinear',
}  # fmt: skip


@pytest.fixture(scope='module')
def viclip():
    torch.manual_seed(0)
    return build_foundation({'type': 'ViCLIP', 'arch': ARCH}).eval()


@pytest.fixture
def saved(viclip, tmp_path):
    path = tmp_path / 'viclip.safetensors'
    save_foundation(viclip, path, torch.float32, {'made': 'for a test'})
    return path


def openai_state(arch=ARCH):
    """A state dict with OpenAI's names, from a plain module tree."""
    torch.manual_seed(1)
    model = build_foundation({'type': 'CLIP', 'arch': arch, 'interpolation': 'bicubic'})
    names = {
        'text.transformer.blocks.': 'transformer.resblocks.', 'text.proj': 'text_projection',
        'visual.transformer.blocks.': 'visual.transformer.resblocks.', 'text.': '',
        'attn.qkv.weight': 'attn.in_proj_weight', 'attn.qkv.bias': 'attn.in_proj_bias',
        'attn.out.': 'attn.out_proj.', 'mlp.fc.': 'mlp.c_fc.', 'mlp.proj.': 'mlp.c_proj.',
    }  # fmt: skip
    state = {}
    for key, value in model.state_dict().items():
        for ours, theirs in names.items():
            key = key.replace(ours, theirs)
        state[key] = value.half()
    state['logit_scale'] = torch.tensor(4.6052)
    return model, state


def test_save_and_load_keep_every_bit(viclip, saved):
    loaded = load_foundation(saved)
    assert loaded.arch == viclip.arch
    assert loaded.fingerprint() == viclip.fingerprint()
    with torch.no_grad():
        next(loaded.text.parameters()).add_(1e-3)
    assert loaded.fingerprint() != viclip.fingerprint()


def module_tree(state):
    """Nested modules that hold the tensors of a flat state dict, as OpenAI's archive does."""
    root = torch.nn.Module()
    for key, value in state.items():
        *parents, name = key.split('.')
        node = root
        for parent in parents:
            if parent not in node._modules:
                node.add_module(parent, torch.nn.Module())
            node = node._modules[parent]
        node.register_parameter(name, torch.nn.Parameter(value, requires_grad=False))
    for key, number in (('input_resolution', 16), ('context_length', 8), ('vocab_size', 100)):
        root.register_buffer(key, torch.tensor(number))
    return root


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_openai_torchscript_and_state_dict(tmp_path):
    model, state = openai_state()
    torch.jit.script(module_tree(state)).save(str(tmp_path / 'script.pt'))
    facts = {'input_resolution': torch.tensor(16), 'vocab_size': torch.tensor(100)}
    torch.save({**state, **facts}, tmp_path / 'state.pt')
    script, plain = load_foundation(tmp_path / 'script.pt'), load_foundation(tmp_path / 'state.pt')
    assert script.arch == plain.arch == model.arch  # the file is OpenAI's own: all is known
    assert script.fingerprint() == plain.fingerprint()
    assert float(script.logit_scale) == pytest.approx(100, abs=1e-2)
    video = torch.randn(1, 3, 2, 16, 16)
    with torch.no_grad():
        assert torch.allclose(script.encode_video(video), model.encode_video(video), atol=2e-2)


def test_data_parallel_prefix_and_legacy_pickle_format(tmp_path):
    _, state = openai_state()
    wrapped = {'epoch': 3, 'state_dict': {f'module.{k}': v for k, v in state.items()}}
    torch.save(wrapped, tmp_path / 'open_clip.pt', _use_new_zipfile_serialization=False)
    said = said_by_config({'type': 'CLIP', 'arch': 'b16'}) | {'heads': 1, 'text_heads': 1}
    model, loaded = openai_state()[0], load_foundation(tmp_path / 'open_clip.pt', **said)
    assert loaded.arch == model.arch


def test_missing_unknown_and_misshapen_keys_are_listed(viclip, tmp_path):
    path = tmp_path / 'odd.safetensors'
    save_foundation(viclip, path)
    from safetensors.torch import load_file

    state = load_file(path)
    del state['text_encoder.ln_final.bias']
    state['vision_encoder.surprise'] = torch.zeros(1)
    state['vision_encoder.ln_post.weight'] = torch.zeros(3)
    save_file(state, path)
    with pytest.raises(FoundationError) as error:
        load_foundation(path, heads=ARCH['heads'], text_heads=ARCH['text_heads'])
    message = str(error.value)
    for part in ('missing: text.ln_final.bias', 'unknown: visual.surprise', '(3,), expected (64,)'):
        assert part in message


def test_nan_weights_are_refused(viclip, tmp_path):
    broken = build_foundation({'type': 'ViCLIP', 'arch': ARCH})
    with torch.no_grad():
        broken.text.ln_final.weight[0] = float('nan')
    save_foundation(broken, tmp_path / 'nan.safetensors')
    with pytest.raises(FoundationError, match=r'NaN or infinity: text.ln_final.weight'):
        load_foundation(tmp_path / 'nan.safetensors')


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


@pytest.mark.parametrize('form', ['zip', 'legacy', 'raw pickle', 'torchscript'])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, form):
    marker = tmp_path / 'payload-ran'
    path = tmp_path / 'evil.pt'
    hostile = {'visual.conv1.weight': Payload(marker)}
    if form == 'raw pickle':
        path.write_bytes(pickle.dumps(hostile))
    elif form == 'torchscript':
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('evil/constants.pkl', pickle.dumps(()))
            archive.writestr('evil/data.pkl', pickle.dumps(hostile))
    else:
        torch.save(hostile, path, _use_new_zipfile_serialization=form == 'zip')
    with pytest.raises(FoundationError, match='Nothing in it was executed'):
        load_foundation(path)
    assert not marker.exists()


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / 'bomb.pt'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data/0', b'\0' * 50_000_000)
    with pytest.raises(FoundationError, match='unpack to 50,000,000'):
        load_foundation(path)


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize('form', ['pth', 'safetensors'])
def test_truncated_files(viclip, tmp_path, form, share):
    whole = tmp_path / f'whole.{form}'
    if form == 'pth':
        torch.save({'model': viclip.state_dict()}, whole)
    else:
        save_foundation(viclip, whole)
    data = whole.read_bytes()
    part = tmp_path / f'part.{form}'
    part.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FoundationError, match=r'truncated or damaged|not a checkpoint'):
        load_foundation(part)


@pytest.mark.parametrize(
    'content', [b'', b'<!DOCTYPE html><html>', b'version https://git-lfs.github.com/spec/v1\n']
)
def test_foreign_files(tmp_path, content):
    path = tmp_path / 'page.pth'
    path.write_bytes(content)
    with pytest.raises(FoundationError, match='not a checkpoint'):
        load_foundation(path)


def test_another_model_is_named_as_such(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / 'linear.pth')
    with pytest.raises(FoundationError, match=r'It holds 2 tensors \(bias, weight'):
        load_foundation(tmp_path / 'linear.pth')


def test_missing_file_says_what_to_fetch(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_foundation(tmp_path / 'none.pth')
    message = describe_missing(Path('data/x.pth'), 'ViCLIP', 'b16')
    assert 'ViCLIP-B_InternVid-FLT-10M.pth' in message
    assert 'huggingface.co/OpenGVLab/ViCLIP' in message


def test_a_folder_without_weights(tmp_path):
    with pytest.raises(FoundationError, match='a folder without weights'):
        load_foundation(tmp_path)

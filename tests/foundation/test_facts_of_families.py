"""Every fact that tensors do not show, of every form of weights: taken away, it is asked for.

What a family's own code fixes cannot be taken away; the other tests here compare it with that
code's outputs. All models are tiny: the table of published models knows none of them.
"""

import functools
import json
import re
import shutil
from dataclasses import fields

import pytest
import torch

from projects.msta.foundation import (
    OPEN_FACTS,
    Architecture,
    FoundationError,
    build_foundation,
    load_foundation,
    open_clip_config,
)
from projects.msta.foundation.convert import FORMATS, to_viclip
from projects.msta.foundation.shapes import sizes_of

from .references import CLIP_MEAN, CLIP_STD, HuggingFace, OpenCLIP, Siglip, TimmTower
from .test_load import ARCH, openai_state
from .test_perception import GOLDEN
from .test_tuned import slowfast, vifi_state

SAID = {
    'activation': 'gelu', 'text_activation': 'gelu', 'heads': 2, 'text_heads': 1, 'norm_eps': 1e-5,
    'text_norm_eps': 1e-5, 'pooling': 'cls', 'text_pooling': 'argmax', 'causal': True,
    'frame_attention': 'own', 'tokenizer': 'clip', 'mean': CLIP_MEAN, 'std': CLIP_STD,
    'resize': 'shortest', 'interpolation': 'bicubic',
}  # fmt: skip
ALL, NONE = set(OPEN_FACTS), set()
HEADS = {'heads', 'text_heads'}


def clip():
    return OpenCLIP({'head_width': 64}, quick_gelu=True)


def long_clip():
    state = clip().model.state_dict()
    return {**state, 'positional_embedding_res': state['positional_embedding'].clone()}


def viclip():
    return to_viclip(build_foundation({'type': 'ViCLIP', 'arch': ARCH}).state_dict())


# Name of the form -> a state dict without any config, and what nothing says of it.
BARE = {
    'ViFi-CLIP': (lambda: vifi_state(clip()), NONE),
    'CLIP in a checkpoint of SlowFast (Open-VCLIP, FROSTER)': (
        lambda: slowfast(clip())['model_state'], {'frame_attention'}
    ),
    'ViCLIP': (viclip, HEADS),
    'Hugging Face CLIP': (lambda: HuggingFace().model.state_dict(), ALL),
    'Hugging Face SigLIP': (
        lambda: Siglip().model.state_dict(),
        ALL - {'pooling', 'text_pooling', 'causal', 'frame_attention'},
    ),
    'Perception Encoder (PE-Core)': (
        lambda: torch.load(GOLDEN, weights_only=True)['state_dict'], HEADS
    ),
    'Perception Encoder, as OpenCLIP and timm keep it': (
        lambda: TimmTower('PerceptionEncoder').state_dict(), HEADS
    ),
    'SigLIP, as OpenCLIP and timm keep it': (
        lambda: TimmTower('SigLIP').state_dict(), ALL - {'pooling', 'frame_attention'}
    ),
    'Long-CLIP': (long_clip, NONE),
    "OpenAI's own CLIP file": (
        lambda: openai_state()[1]
        | {'input_resolution': torch.tensor(16), 'vocab_size': torch.tensor(100)},
        NONE,
    ),
    "CLIP with OpenAI's key names (OpenAI or OpenCLIP)": (lambda: clip().model.state_dict(), ALL),
    'OpenCLIP with a text tower of its own (CustomTextCLIP)': (
        lambda: OpenCLIP(custom_text=True).model.state_dict(), ALL
    ),
}  # fmt: skip


def test_every_form_is_here():
    assert set(BARE) == {known.name for known in FORMATS}
    assert set(SAID) == ALL


def test_every_field_is_seen_in_tensors_or_asked_for_or_the_same_in_a_family():
    """The parity tests of a family, with clips and other image sizes, hold what is the same."""
    same = {'kind', 'rope', 'position_resize', 'pool_heads', 'frame_mean'}
    seen = set(sizes_of('ViCLIP', build_foundation({'type': 'ViCLIP', 'arch': ARCH}).state_dict()))
    assert not seen & ALL and not (seen | ALL) & same
    seen.add('pool_mlp_ratio')  # of those with a pooling
    assert seen | ALL | same == {field.name for field in fields(Architecture)}


@pytest.mark.parametrize('form', BARE)
def test_without_a_config_each_fact_is_asked_for_that_the_code_leaves_open(tmp_path, form):
    make, asked = BARE[form]
    path, given = tmp_path / 'weights.pt', ()
    torch.save(make(), path)
    if form == 'ViFi-CLIP':
        given = (clip().save(tmp_path, 'clip.pt', config=False),)
    if not asked:
        load_foundation(path, *given)
        return
    assert missing(path) == [fact for fact in OPEN_FACTS if fact in asked]
    for fact in asked:  # what is said of one tower holds for the other, if that says nothing
        told = {f: SAID[f] for f in asked - {fact, fact.removeprefix('text_')} | HEADS & asked}
        told.pop(fact, None)
        assert fact in missing(path, **told)
        assert set(missing(path, **told)) <= {fact, f'text_{fact}', fact.removeprefix('text_')}


def missing(path, **said):
    with pytest.raises(FoundationError) as error:
        load_foundation(path, **said)
    (names,) = re.findall(r'nothing says (.*?), which cannot be seen', str(error.value))
    return names.split(', ')


IN_CONFIG = (
    'activation', 'text_activation', 'heads', 'text_heads', 'norm_eps', 'text_norm_eps', 'pooling',
    'text_pooling', 'causal', 'frame_attention',
)  # fmt: skip
# Fact -> the file that says it, and the key in it (None: the whole file).
IN_HUGGING_FACE = {
    'tokenizer': ('tokenizer_config.json', 'tokenizer_class'),
    'mean': ('preprocessor_config.json', None),
    'std': ('preprocessor_config.json', 'image_std'),
    'resize': ('preprocessor_config.json', 'size'),
    'interpolation': ('preprocessor_config.json', 'resample'),
    **dict.fromkeys(IN_CONFIG, ('config.json', None)),
}
PREPROCESSED = ('open_clip_config.json', 'preprocess_cfg')
IN_OPEN_CLIP = {
    **dict.fromkeys((*IN_CONFIG, 'tokenizer'), ('open_clip_config.json', None)),
    'mean': (*PREPROCESSED, 'mean'),
    'std': (*PREPROCESSED, 'std'),
    'resize': (*PREPROCESSED, 'resize_mode'),
    'interpolation': (*PREPROCESSED, 'interpolation'),
}


def but(places, *by_code):
    return {fact: place for fact, place in places.items() if fact not in by_code}


# Form -> the model, and where its folder says each fact that its family's code leaves open.
FOLDERS = {
    'Hugging Face CLIP': (HuggingFace, IN_HUGGING_FACE),
    'Hugging Face SigLIP': (
        Siglip, but(IN_HUGGING_FACE, 'pooling', 'text_pooling', 'causal', 'frame_attention')
    ),
    'OpenCLIP': (OpenCLIP, IN_OPEN_CLIP),
    'OpenCLIP with a text tower of its own': (lambda: OpenCLIP(custom_text=True), IN_OPEN_CLIP),
    'Perception Encoder in OpenCLIP': (
        lambda: TimmTower('PerceptionEncoder'), {h: IN_OPEN_CLIP[h] for h in sorted(HEADS)}
    ),
    'SigLIP in OpenCLIP': (
        lambda: TimmTower('SigLIP'), but(IN_OPEN_CLIP, 'pooling', 'frame_attention')
    ),
}  # fmt: skip


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A form -> its folder as its publisher writes it, and the weights' file."""

    @functools.cache
    def make(form):
        folder = tmp_path_factory.mktemp('whole')
        path = FOLDERS[form][0]().save(folder)
        load_foundation(folder)
        return folder, path.name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_clip_config, 'tower_of_timm', TimmTower.TOWERS.get)
        yield make


@pytest.mark.parametrize(
    ('form', 'fact'), [(form, fact) for form, (_, places) in FOLDERS.items() for fact in places]
)
def test_a_folder_without_what_says_a_fact(whole, tmp_path, form, fact):
    folder, weights = whole(form)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    name, *keys = FOLDERS[form][1][fact]
    if keys == [None]:
        (tmp_path / name).unlink()
    else:
        config = section = json.loads((tmp_path / name).read_text())
        for key in keys[:-1]:
            section = section[key]
        del section[keys[-1]]
        (tmp_path / name).write_text(json.dumps(config))
    assert fact in missing(tmp_path) and fact in missing(tmp_path / weights)

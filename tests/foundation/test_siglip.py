"""SigLIP and SigLIP 2: against transformers and timm, their tokenizer, and what is refused."""

import json

import pytest
import torch
import torch.nn.functional as F

from projects.msta.foundation import FoundationError, build_foundation, load_foundation

from .references import CONTEXT, VOCAB, Siglip, TimmTower, differences, random_images, worst

FEATURES = 2e-5


@pytest.fixture(scope='module')
def theirs():
    return Siglip()


@pytest.fixture(scope='module')
def folder(theirs, tmp_path_factory):
    made = tmp_path_factory.mktemp('siglip')
    theirs.save(made)
    return made


@pytest.fixture(scope='module')
def model(folder):
    return load_foundation(folder).eval()


def any_tokens(rows=5):
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, VOCAB, (rows, CONTEXT), generator=generator)


@torch.no_grad()
def test_clips_texts_and_other_sizes(theirs, model):
    for frames, size in ((1, 32), (3, 32), (2, 48)):
        video = random_images(size, frames)
        images, _ = theirs(video.transpose(1, 2).flatten(0, 1), any_tokens())
        expected = images.unflatten(0, (2, frames)).mean(1)
        assert worst(model.encode_video(video), expected) < FEATURES
    _, texts = theirs(video[:, :, 0], any_tokens())
    assert worst(model.encode_text(any_tokens()), texts) < FEATURES


@torch.no_grad()
def test_scores_are_those_of_the_original(theirs, model):
    frames, tokens = random_images(32, 1), any_tokens()
    out = theirs.model(input_ids=tokens, pixel_values=frames[:, :, 0])
    cosine = (
        F.normalize(model.encode_video(frames), dim=-1)
        @ F.normalize(model.encode_text(tokens), dim=-1).T
    )
    right = out.logits_per_image.sigmoid()
    assert worst(model.match_probability(cosine), right) < FEATURES


def test_the_folder_says_everything(model):
    arch = model.arch
    assert (arch.kind, arch.pooling, arch.text_pooling) == ('SigLIP', 'attention', 'last')
    assert not arch.causal and not arch.class_token and arch.logit_bias
    assert (arch.activation, arch.norm_eps) == ('gelu_tanh', 1e-6)
    assert (arch.resize, arch.interpolation) == ('squash', 'bicubic')
    assert model.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize('version', [1, 2])
def test_texts_go_through_the_tokenizer_of_the_folder(tmp_path, version):
    Siglip(version).save(tmp_path)
    model = load_foundation(tmp_path)
    end, pad = (1, 1) if version == 1 else (2, 1)
    first = end + 1
    rows = model.tokenize([' A  video of SWIMMING', 'c++', 'a ' * 40, '']).tolist()
    assert rows[0][:5] == [first, first + 1, first + 2, first + 3, end]
    assert rows[0][5:] == [pad] * (CONTEXT - 5)
    # SigLIP drops punctuation, SigLIP 2 keeps it.
    assert rows[1][:2] == [first + (4 if version == 1 else 5), end]
    assert rows[2] == [first] * (CONTEXT - 1) + [end]  # cut, and still ended
    assert rows[3] == [end] + [pad] * (CONTEXT - 1)
    assert {len(row) for row in rows} == {CONTEXT}
    assert len(model.token_ids('a ' * 40)) == 41  # what warnings count


@torch.no_grad()
def test_padding_takes_part_so_nothing_is_cut_or_packed(model):
    tokens = model.tokenize(['a video of swimming', 'a video of c'])
    state = model.text.embed(tokens)
    assert state.packing is None and state.x.shape[:2] == (2, CONTEXT)
    longer = tokens.clone()
    longer[:, -2] = 7  # behind the end of text, and yet read
    assert worst(model.encode_text(longer), model.encode_text(tokens)) > 100 * FEATURES
    for block in (1, 2):
        part = model.text.advance(state, block)
        assert torch.equal(model.text.finish(part), model.encode_text(tokens))
    with pytest.raises(FoundationError, match='texts of 5 tokens instead of 12'):
        model.encode_text(tokens[:, :5])


def test_the_tokenizer_is_part_of_the_fingerprint(tmp_path, model, theirs):
    theirs.save(tmp_path)
    assert load_foundation(tmp_path).fingerprint() == model.fingerprint()
    content = json.loads((tmp_path / 'tokenizer.json').read_text())
    vocabulary = content['model']['vocab']
    vocabulary['a'], vocabulary['of'] = vocabulary['of'], vocabulary['a']
    (tmp_path / 'tokenizer.json').write_text(json.dumps(content))
    assert load_foundation(tmp_path).fingerprint() != model.fingerprint()


def damage(folder, name, **changes):
    path = folder / name
    content = json.loads(path.read_text())
    for key, value in changes.items():
        inner, target = key.split('__'), content
        for part in inner[:-1]:
            target = target[part]
        target.pop(inner[-1]) if value is None else target.update({inner[-1]: value})
    path.write_text(json.dumps(content))


BAD = {
    'no tokenizer': (lambda f: (f / 'tokenizer.json').unlink(), r'tokenizer\.json is missing'),
    'no padding token': (
        lambda f: damage(f, 'tokenizer_config.json', pad_token=None), 'does not say pad_token'
    ),
    'an unknown token': (
        lambda f: damage(f, 'tokenizer_config.json', eos_token='<no>'), 'tokenizer.json has not'
    ),
    'no end of text': (
        lambda f: damage(f, 'tokenizer.json', post_processor={}) or
        damage(f, 'tokenizer.json', post_processor=None), 'not into its tokens'
    ),
    "another model's tokenizer": (
        lambda f: damage(f, 'tokenizer.json', model__vocab__far=VOCAB), "another model's tokenizer"
    ),
    'a torn tokenizer': (
        lambda f: (f / 'tokenizer.json').write_text('{'), 'not a tokenizer that can be read'
    ),
    'images of any shape': (
        lambda f: damage(f, 'config.json', model_type='siglip2'), "model_type='siglip2'"
    ),
    'no pooling': (
        lambda f: damage(f, 'config.json', vision_config__vision_use_head=False), 'vision_use_head'
    ),
    'an image size with a rest': (
        lambda f: damage(f, 'config.json', vision_config__image_size=36), 'not a multiple'
    ),
    'an unknown tokenizer': (
        lambda f: damage(f, 'tokenizer_config.json', tokenizer_class='Other'), "tokenizer 'Other'"
    ),
    'no heads': (
        lambda f: (f / 'config.json').unlink(), 'nothing says activation, text_activation, heads'
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', BAD)
def test_refused(tmp_path, theirs, name):
    theirs.save(tmp_path)
    spoil, words = BAD[name]
    spoil(tmp_path)
    with pytest.raises(FoundationError, match=words):
        load_foundation(tmp_path)


def test_without_weights_there_is_no_tokenizer():
    sizes = {'embed_dim': 32, 'image_size': 16, 'patch_size': 8, 'width': 32, 'layers': 1,
             'heads': 2, 'text_width': 32, 'text_layers': 1, 'text_heads': 2,
             'context_length': 8, 'vocab_size': 50}  # fmt: skip
    model = build_foundation({'type': 'SigLIP', 'arch': sizes, 'tokenizer': 'siglip'})
    with pytest.raises(FoundationError, match='comes with its weights'):
        model.tokenize(['a'])
    sizes = {**sizes, 'embed_dim': 24}
    with pytest.raises(FoundationError, match='without projection'):
        build_foundation({'type': 'SigLIP', 'arch': sizes})
    with pytest.raises(FoundationError, match='a CLIP has no logit_bias'):
        build_foundation({'type': 'CLIP', 'arch': sizes}).match_probability(torch.ones(1))


def test_second_reference_timm(tmp_path):
    theirs = TimmTower('SigLIP')
    torch.save(theirs.state_dict(), tmp_path / 'siglip.pt')
    Siglip().save(tmp_path)  # for its tokenizer
    half = (0.5, 0.5, 0.5)
    said = {'activation': 'gelu', 'heads': 4, 'text_heads': 2, 'norm_eps': 1e-6,
            'text_norm_eps': 1e-5, 'text_pooling': 'last', 'causal': False,
            'tokenizer': 'siglip', 'mean': half, 'std': half, 'resize': 'squash',
            'interpolation': 'bicubic'}  # fmt: skip
    ours = load_foundation(tmp_path / 'siglip.pt', **said)
    assert float(ours.logit_bias) == -3.0
    found = differences(ours, theirs)
    assert max(found) < FEATURES, found
    with pytest.raises(FoundationError, match=r'nothing says .*text_pooling, causal, tokenizer'):
        load_foundation(tmp_path / 'siglip.pt')

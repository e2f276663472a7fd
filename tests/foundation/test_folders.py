"""Folders as Hugging Face keeps them: the cache's links, shards, and models of any image shape."""

import json

import pytest

from projects.msta.foundation import FoundationError, load_foundation

from .references import HuggingFace, Siglip, differences

FEATURES = 2e-5


@pytest.fixture(scope='module')
def theirs():
    return Siglip()


def in_cache(model, cache, revision):
    """Write a model as the cache keeps it: files by their hash, and links to them by name."""
    snapshot, blobs = cache / 'snapshots' / revision, cache / 'blobs'
    snapshot.mkdir(parents=True)
    blobs.mkdir(exist_ok=True)
    model.save(snapshot)
    for number, file in enumerate(sorted(snapshot.iterdir())):
        blob = blobs / f'{revision}{number:040x}'
        file.rename(blob)
        file.symlink_to(f'../../blobs/{blob.name}')
    return snapshot


def test_the_cache_of_hugging_face(theirs, tmp_path):
    """By its snapshot, by a file in it, and by the model's folder, configs and tokenizer too."""
    cache = tmp_path / 'models--google--siglip'
    snapshot = in_cache(theirs, cache, 'abc')
    models = [load_foundation(path) for path in (snapshot, snapshot / 'model.safetensors', cache)]
    assert max(differences(models[0], theirs)) < FEATURES
    assert len({model.fingerprint() for model in models}) == 1
    assert models[2].tokenize(['a video']).shape == (1, 12)
    in_cache(HuggingFace(), cache, 'def')
    with pytest.raises(FoundationError, match=r'several snapshots; name one of them: .*abc, .*def'):
        load_foundation(cache)
    (cache / 'refs').mkdir()
    (cache / 'refs' / 'main').write_text('def')
    assert load_foundation(cache).arch.kind == 'CLIP'


@pytest.fixture
def sharded(theirs, tmp_path):
    theirs.save(tmp_path)
    (tmp_path / 'model.safetensors').unlink()
    theirs.model.save_pretrained(tmp_path, max_shard_size='200KB')
    assert len(list(tmp_path.glob('model-*-of-*.safetensors'))) > 2
    return tmp_path


def test_shards_are_those_that_the_index_names(theirs, sharded):
    assert max(differences(load_foundation(sharded), theirs)) < FEATURES
    first = min(sharded.glob('model-*'))
    # Left over from another release: not part of the model.
    (sharded / 'model-00001-of-00099.safetensors').write_bytes(b'nothing')
    assert max(differences(load_foundation(sharded), theirs)) < FEATURES
    with pytest.raises(FoundationError, match=r'one of \d+ shards, a part of a model: name its f'):
        load_foundation(first)
    first.unlink()
    with pytest.raises(FoundationError, match=f'of which {first.name} are missing'):
        load_foundation(sharded)


@pytest.mark.parametrize('text', ['{', '{}', '[]', '{"weight_map": 3}'])
def test_a_damaged_index(sharded, text):
    (sharded / 'model.safetensors.index.json').write_text(text)
    with pytest.raises(FoundationError, match=r'index\.json: not an index of shards'):
        load_foundation(sharded)


@pytest.mark.parametrize('config', [True, False])
def test_siglip_2_of_any_image_shape_is_refused_as_what_it_is(tmp_path, config):
    from transformers import Siglip2Config, Siglip2Model

    sizes = {'hidden_size': 32, 'intermediate_size': 64, 'num_hidden_layers': 1,
             'num_attention_heads': 2}  # fmt: skip
    made = Siglip2Config(
        text_config={**sizes, 'vocab_size': 50, 'max_position_embeddings': 8},
        vision_config={**sizes, 'num_patches': 16, 'patch_size': 8},
    )
    Siglip2Model(made).save_pretrained(tmp_path)
    assert json.loads((tmp_path / 'config.json').read_text())['model_type'] == 'siglip2'
    if not config:
        (tmp_path / 'config.json').unlink()
    with pytest.raises(FoundationError, match=r'SigLIP 2 for images of any shape \(NaFlex\)'):
        load_foundation(tmp_path)

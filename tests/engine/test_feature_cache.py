"""Training on cached features: as on frames where it must be, resumed, bounded, refused."""

import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from projects.msta.commands import train as train_tool
from projects.msta.engine import FeatureCacheError
from projects.msta.engine.feature_store import FeatureStore

_NUMBER = iter(range(1000))


def train(
    config: Path,
    work_dir: Path,
    folder: Path | None = None,
    epochs: int = 1,
    blocks: str = '(2,2)',
    **options,
) -> dict:
    """Train in this process, on features where there is a folder for them."""
    settings = {
        'experiment_name': f'features{next(_NUMBER)}',
        'train_cfg.max_epochs': epochs,
        'train_cfg.val_interval': 2,
        'model.backbone.adapter.blocks': blocks,
    }
    if folder is not None:
        cache = {'type': 'FeatureCacheHook', 'folder': folder, **options}
        settings |= {f'default_hooks.feature_cache.{key}': value for key, value in cache.items()}
    given = [f'{key}={value}' for key, value in settings.items()]
    arguments = [str(config), '--work-dir', str(work_dir), '--cfg-options', *given]
    train_tool.run(train_tool.parser.parse_args(arguments))
    return torch.load(work_dir / f'epoch_{epochs}.pth', weights_only=True)['state_dict']


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.glob('*/*.st'))


# Of block 1 of 2 its own output is kept too; of the last block only one row would be read.
@pytest.mark.parametrize('blocks', ['(1,2)', '(2,2)'])
def test_features_of_fixed_views_train_as_frames_do(experiment, tmp_path, blocks):
    frames = train(experiment.fixed, tmp_path / 'frames', epochs=2, blocks=blocks)
    options = {'views': 1, 'dtype': 'float32', 'blocks': blocks}
    cached = train(experiment.fixed, tmp_path / 'run', tmp_path / 'x', epochs=2, **options)
    for key, value in frames.items():
        # The frozen part in other batches: the same sums, rounded otherwise, over 8 steps.
        assert torch.allclose(value.double(), cached[key].double(), atol=1e-4), key
    assert len(files_of(tmp_path / 'x')) == 8


def test_random_views_are_the_same_again_and_an_interruption_resumes(experiment, tmp_path):
    folder = tmp_path / 'x'
    first = train(experiment.random, tmp_path / 'one', folder, views=2)
    files = files_of(folder)
    with safe_open(files[0], 'pt') as file:
        views = file.get_tensor('features')
    assert views.shape == (2, 1, 1, 17, 32) and views.dtype == torch.bfloat16
    drawn = [safe_open(path, 'pt').get_tensor('features') for path in files]
    assert any(not torch.equal(a, b) for a, b in drawn)  # frames and flips differ
    written = {path: path.read_bytes() for path in files}
    files[0].unlink()
    os.truncate(files[1], 100)
    kept = files[2].stat().st_mtime_ns
    second = train(experiment.random, tmp_path / 'two', folder, views=2)
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert {path: path.read_bytes() for path in files_of(folder)} == written
    assert files[2].stat().st_mtime_ns == kept


def test_a_limit_is_kept_before_anything_is_written(experiment, tmp_path):
    # 8 videos x 3 views x 17 tokens x 32 channels x 4 bytes
    with pytest.raises(FeatureCacheError, match=r'52,224 bytes.*the limit is 10,737'):
        train(experiment.random, tmp_path, tmp_path / 'x', views=3, dtype='float32', max_gib=1e-5)
    assert not (tmp_path / 'x').exists()


def test_what_cannot_be_cached_is_refused(experiment, tmp_path):
    text = experiment.random.read_text().replace("type='MSTAAdapter', blocks=(1, 2), dim=8,", '')
    config = tmp_path / 'full.py'
    config.write_text(text.replace('adapter=dict( scale=0.5)', "adapter=dict(type='BitFit')"))
    hook = 'default_hooks.feature_cache.type=FeatureCacheHook'
    arguments = [str(config), '--work-dir', str(tmp_path), '--cfg-options', hook]
    with pytest.raises(FeatureCacheError, match='BitFit trains the video tower from its start'):
        train_tool.run(train_tool.parser.parse_args(arguments))


@pytest.mark.parametrize(
    ('settings', 'parts'),
    [
        ({'type': 'MSTAAdapter'}, 2),
        ({'type': 'MSTAAdapter', 'input': 'raw'}, 2),
        ({'type': 'MMA', 'dim': 8}, 2),
        ({'type': 'AdaptFormer', 'dim': 8}, 1),  # reads what stands inside the block
        ({'type': 'LoRA', 'rank': 4}, 1),
    ],
)
def test_a_stored_view_is_bitwise_what_the_towers_compute(tmp_path, settings, parts):
    from projects.msta.adapters import build_adapter
    from projects.msta.engine.feature_cache import FeatureBatches, features_of
    from projects.msta.foundation import build_foundation
    from projects.msta.models.frozen_features import frozen_features, pass_known_block

    arch = {
        'image_size': 16, 'patch_size': 8, 'width': 32, 'layers': 3, 'heads': 2, 'embed_dim': 24,
        'text_width': 16, 'text_layers': 3, 'text_heads': 2, 'context_length': 32, 'num_frames': 4,
    }  # fmt: skip
    (tmp_path / 'a.mp4').write_bytes(b'some video')
    for kind in ('ViCLIP', 'CLIP'):
        torch.manual_seed(0)
        model = build_foundation({'type': kind, 'arch': arch})
        adapter = build_adapter({'blocks': (2, 3), **settings}, model).eval()  # no dropout
        for weight in adapter.parameters():  # also of those that begin with zeros
            torch.nn.init.normal_(weight, std=0.3)
        video = torch.randn(2, 3, 4, 16, 16)
        with torch.no_grad():
            state = frozen_features(model, adapter, video)
        views = features_of(state, 2)
        assert views.shape[1] == parts
        batches = FeatureBatches(_Frames(), state.layout, state.block)
        for dtype, tolerance in (('float32', 0), ('bfloat16', 0.03)):
            store = FeatureStore(tmp_path / dtype, {'kind': kind}, tuple(views.shape), dtype)
            store.reserve(1, 1.0)
            store.write(tmp_path / 'a.mp4', views)
            read = [store.read(tmp_path / 'a.mp4', view) for view in (0, 1)]
            kept = batches({'features': read, 'data_samples': []})['inputs']
            found = adapter.encode_video(model, pass_known_block(model, adapter, kept))
            expected = adapter.encode_video(model, video)
            assert (found - expected).abs().max() <= tolerance * expected.abs().max()


class _Frames(torch.nn.Module):
    """As much of a data preprocessor as a batch of features asks for."""

    def cast_data(self, data):
        return data


def test_a_video_that_changed_has_no_features(tmp_path):
    video = tmp_path / 'a.mp4'
    video.write_bytes(b'some video')
    store = FeatureStore(tmp_path / 'x', {}, (1, 1, 1, 2, 3), 'float32')
    store.reserve(1, 1.0)
    store.write(video, torch.zeros(1, 1, 1, 2, 3))
    assert store.holds(video)
    assert not FeatureStore(tmp_path / 'x', {'seed': 1}, (1, 1, 1, 2, 3), 'float32').holds(video)
    video.write_bytes(b'another video')
    assert not store.holds(video)
    with pytest.raises(FeatureCacheError, match=r'a\.mp4: its views are \(1, 1, 1, 3, 3\)'):
        store.write(video, torch.zeros(1, 1, 1, 3, 3))


def test_an_unreadable_video_gives_way_to_another(experiment, tmp_path):
    from tests.experiment import make_experiment

    (tmp_path / 'e').mkdir()
    broken = make_experiment(tmp_path / 'e')
    (broken.folder / 'videos' / 'clip 3.mp4').write_bytes(b'no video')
    train(broken.random, tmp_path / 'run', tmp_path / 'x', views=1)
    assert len(files_of(tmp_path / 'x')) == 7


def test_swapped_colours_are_other_features():
    from types import SimpleNamespace

    from projects.msta.engine import FeatureCacheHook

    dataset = {'pipeline': [{'type': 'MSTADecordInit'}]}
    runner = SimpleNamespace(cfg={'train_dataloader': {'dataset': dataset}}, seed=0)
    facts = []
    for to_rgb in (False, True):
        pixels = SimpleNamespace(mean=torch.zeros(3), std=torch.ones(3), to_rgb=to_rgb)
        backbone = SimpleNamespace(fingerprint='x')
        model = SimpleNamespace(data_preprocessor=pixels, backbone=backbone)
        facts.append(FeatureCacheHook()._facts(runner, model, 1))
    assert facts[0] != facts[1]

"""The inferencer on real files: what it accepts, what it returns, and what it says of failures."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from projects.msta.apis import MSTAInferencer, Rejection
from projects.msta.datasets.images import images_in
from projects.msta.foundation import FoundationError
from projects.msta.inference.sources import iter_sources
from projects.msta.labels import LabelError
from projects.msta.models import CheckpointError
from projects.msta.training.config import ConfigError
from tests.kinds import decode_in_order
from tests.models.conftest import LABELS
from tests.videos import ODD_FILES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _own_labels(inferencer):
    inferencer.set_labels(LABELS)
    inferencer.set_rejection(None)


def videos(tiny):
    return sorted(str(path) for path in (tiny / 'videos').glob('*.mp4'))


def frames_of(path):
    return np.stack(decode_in_order(path))


def test_scores_equal_those_of_the_test_tool(tiny, inferencer, tmp_path):
    dump = tmp_path / 'scores.pkl'
    command = [sys.executable, ROOT / 'tools' / 'test.py', tiny / 'config.py']
    command += [tiny / 'adapters.pth', '--dump', dump, '--work-dir', tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    import mmengine

    expected = np.stack([sample['pred_score'].numpy() for sample in mmengine.load(dump)])
    found = np.stack([result.scores for result in inferencer(tiny / 'videos')])
    assert len(expected) == 5
    assert expected.std(0).max() > 1e-3  # the videos do differ
    # The same floats but for the order of sums: batches are composed differently.
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_folder_a_glob_a_list_and_an_iterator_give_the_same(tiny, inferencer):
    from_folder = inferencer(tiny / 'videos')
    assert [r.video for r in from_folder] == videos(tiny)
    for given in (str(tiny / 'videos' / '*.mp4'), videos(tiny), iter(videos(tiny))):
        for one, other in zip(inferencer(given), from_folder, strict=True):
            assert one.video == other.video
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


def test_frames_in_memory_score_as_their_file(tiny, inferencer):
    path = videos(tiny)[2]
    frames = frames_of(path)
    file, array, tensor = inferencer([path, frames, torch.from_numpy(frames)])
    np.testing.assert_allclose(array.scores, file.scores, atol=1e-6)
    np.testing.assert_allclose(tensor.scores, file.scores, atol=1e-6)
    assert (array.video, tensor.video) == ('array 0', 'array 1')


def test_an_open_file_is_its_path(tiny, inferencer):
    (path,) = videos(tiny)[:1]
    with Path(path).open('rb') as file:
        (opened,) = inferencer(file)
    np.testing.assert_array_equal(opened.scores, inferencer(path)[0].scores)
    (nameless,) = inferencer(io.BytesIO(b'...'))
    assert 'without a name' in nameless.error


def test_batching_does_not_matter(tiny, inferencer):
    together = inferencer(videos(tiny))
    with MSTAInferencer(
        tiny / 'config.py', tiny / 'adapters.pth', batch_size=1, max_clips=2, workers=1
    ) as other:
        for one, alone in zip(together, other(videos(tiny)), strict=True):
            np.testing.assert_allclose(one.scores, alone.scores, atol=1e-6)


def test_results_are_sorted_and_consistent(tiny, inferencer):
    for result in inferencer(videos(tiny), topk=3):
        assert len(result.labels) == 3 and result.label == result.labels[0]
        assert result.probabilities == sorted(result.probabilities, reverse=True)
        assert result.scores.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(np.array(result.cosines) * 20, result.logits, rtol=1e-4)
        assert set(result.timings) == {'decode', 'model'}


def test_topk_beyond_the_list_gives_the_whole_list(tiny, inferencer):
    (result,) = inferencer(videos(tiny)[0], topk=50)
    assert sorted(result.labels) == sorted(LABELS)


@pytest.mark.parametrize('kind', ['empty', 'text', 'truncated 50%', 'audio only'])
def test_an_unreadable_file_is_named_and_stops_nothing(tiny, inferencer, tmp_path, kind):
    name, write = ODD_FILES[kind]
    broken = str(write(tmp_path / name))
    first, bad, last = inferencer([videos(tiny)[0], broken, videos(tiny)[1]])
    assert first.ok and last.ok
    assert not bad.ok and bad.label is None and broken in bad.error


def test_images_beside_videos_are_their_previews(tmp_path):
    (tmp_path / 'deep').mkdir()
    for name in ('a.jpg', '._a.jpg', 'deep/a.mp4', 'deep/._a.mp4'):
        (tmp_path / name).touch()
    assert [source.name for source in iter_sources(tmp_path)] == [str(tmp_path / 'deep' / 'a.mp4')]
    (tmp_path / 'deep' / 'a.mp4').unlink()
    assert [source.name for source in iter_sources(tmp_path)] == [str(tmp_path)]
    assert images_in(str(tmp_path)) == ['a.jpg']


def test_what_is_no_video_is_named(tiny, inferencer, tmp_path):
    given = [tmp_path / 'gone.mp4', tmp_path, str(tmp_path / '*.mp4'), np.zeros((2, 3)), 7]
    results = inferencer([*given, videos(tiny)[0]])
    reasons = ['file not found', 'without videos', 'no file matches', '(T, H, W, 3)', 'neither']
    for result, reason in zip(results, reasons, strict=False):
        assert reason in result.error
    assert len(results) == 6 and results[-1].ok


def test_labels_change_and_return_without_being_encoded_again(tiny, inferencer, monkeypatch):
    before = inferencer(videos(tiny)[0])[0]
    inferencer.set_labels(['a', 'b'])
    (two,) = inferencer(videos(tiny)[0])
    assert sorted(two.labels) == ['a', 'b']
    monkeypatch.setattr(inferencer.model.backbone, 'encode_text', None)
    inferencer.set_labels(LABELS)
    np.testing.assert_array_equal(inferencer(videos(tiny)[0])[0].scores, before.scores)


def test_labels_order_permutes_the_scores(tiny, inferencer):
    (forward,) = inferencer(videos(tiny)[0])
    inferencer.set_labels(LABELS[::-1])
    (backward,) = inferencer(videos(tiny)[0])
    np.testing.assert_allclose(backward.scores[::-1], forward.scores, atol=1e-6)


def test_an_ensemble_is_the_mean_of_its_templates(tiny, inferencer):
    templates = ['a video of {}.', 'someone is {}.']
    inferencer.set_labels(LABELS, templates)
    parts = [inferencer.encode_texts([t.format(name) for name in LABELS]) for t in templates]
    torch.testing.assert_close(inferencer.classes, sum(parts) / 2)
    with pytest.raises(LabelError, match='exactly one'):
        inferencer.set_labels(LABELS, ['no place'])


def test_descriptions_of_novel_labels_change_the_classes(inferencer, tmp_path):
    import json

    files = []
    for kind in ('spatial', 'temporal'):
        path = tmp_path / f'{kind}.json'
        path.write_text(
            json.dumps({str(i): [f'{kind} {n}', f'more {n}'] for i, n in enumerate('ab')})
        )
        files.append(str(path))
    inferencer.set_labels(['novel one', 'novel two'])
    plain = inferencer.classes
    inferencer.set_labels(['novel one', 'novel two'], descriptions=files, description_weight=0.0)
    cosine = torch.nn.functional.cosine_similarity(inferencer.classes, plain)
    torch.testing.assert_close(cosine, torch.ones(2))
    inferencer.set_labels(['novel one', 'novel two'], descriptions=files)
    assert torch.nn.functional.cosine_similarity(inferencer.classes, plain).max() < 0.9999


def test_none_of_these(tiny, inferencer):
    inferencer.set_rejection(Rejection('threshold', 1.1))
    assert {r.label for r in inferencer(videos(tiny))} == {'none of these'}
    inferencer.set_rejection(Rejection('threshold', -1.1))
    assert not any(r.rejected for r in inferencer(videos(tiny)))


def test_embeddings_of_readable_videos_keep_their_order(tiny, inferencer):
    frames = frames_of(videos(tiny)[0])
    other = frames_of(videos(tiny)[1])
    embeds, results = inferencer.encode_videos([frames, tiny / 'gone.mp4', other])
    assert [r.ok for r in results] == [True, False, True]
    torch.testing.assert_close(embeds.norm(dim=-1), torch.ones(2))
    swapped, _ = inferencer.encode_videos([other, frames])
    torch.testing.assert_close(swapped.flip(0), embeds)
    none, _ = inferencer.encode_videos([])
    assert none.shape == (0, embeds.shape[1])


def test_a_config_object_and_a_mapping_do_as_well(tiny, inferencer):
    from mmengine.config import Config

    cfg = Config.fromfile(tiny / 'config.py', import_custom_modules=False)
    expected = inferencer(videos(tiny)[0])[0].scores
    for given in (cfg, cfg.to_dict()):
        with MSTAInferencer(given, tiny / 'adapters.pth') as made:
            np.testing.assert_allclose(made(videos(tiny)[0])[0].scores, expected, atol=1e-6)


def test_the_checkpoint_alone_says_what_model_it_needs(tiny):
    with MSTAInferencer(
        None, tiny / 'adapters.pth', ['x', 'y'], foundation=tiny / 'foundation.safetensors'
    ) as made:
        assert made(videos(tiny)[0])[0].ok
        assert made.model.backbone.adapter_cfg['dim'] == 8


def test_a_foundation_alone_recognises_without_training(tiny):
    with MSTAInferencer(tiny / 'foundation.safetensors', labels=['x', 'y']) as made:
        (result,) = made(videos(tiny)[0])
        assert made.model.backbone.adapter_cfg is None
        # One view: the cosine is that of the embeddings.
        video, _ = made.encode_videos(videos(tiny)[0])
        texts = made.encode_texts([f'a video of {label}.' for label in result.labels])
        torch.testing.assert_close((video @ texts.T)[0], torch.tensor(result.cosines))


def test_bad_requests_are_explained(tiny, inferencer, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'there is .*msta_vitb16_k400'):
        MSTAInferencer('msta_vit_b16_k400')
    with pytest.raises(ConfigError, match='no labels'):
        MSTAInferencer(tiny / 'foundation.safetensors')
    with pytest.raises(FileNotFoundError, match=r'adapters\.pth'):
        MSTAInferencer(tiny / 'config.py', tiny / 'none.pth')
    torch.save({'state_dict': {}}, tmp_path / 'foreign.pth')
    with pytest.raises(CheckpointError, match='not a checkpoint of this project'):
        MSTAInferencer(tiny / 'config.py', tmp_path / 'foreign.pth')
    with pytest.raises(FoundationError, match=r'trained here .* name the file as checkpoint'):
        MSTAInferencer(tiny / 'adapters.pth')
    with pytest.raises(ValueError, match='cannot be used here'):
        MSTAInferencer(tiny / 'config.py', device='cuda:77')
    with pytest.raises(ValueError, match='topk'):
        inferencer(videos(tiny), topk=0)


def test_the_old_name_of_config_works_and_says_so(tiny):
    with (
        pytest.warns(DeprecationWarning, match='called config now'),
        MSTAInferencer(config_or_preset=tiny / 'config.py', checkpoint=tiny / 'adapters.pth') as m,
    ):
        assert m.labels == LABELS
    with (
        pytest.warns(DeprecationWarning, match='config'),
        pytest.raises(TypeError, match='one argument'),
    ):
        MSTAInferencer(tiny / 'config.py', config_or_preset=tiny / 'config.py')


def test_labels_are_the_same_wherever_they_are_asked_for(inferencer):
    inferencer.set_labels(['chess', 'poker'])
    assert inferencer.labels == inferencer.model.labels == ['chess', 'poker']
    assert inferencer.classes.shape[0] == 2


def test_a_checkpoint_knows_its_labels_prompt_scale_and_views(tiny, tmp_path):
    """Alone with its foundation it answers as with the config that it was trained with."""
    video = videos(tiny)[1]
    config = (tiny / 'config.py').read_text().replace('labels=[', "template='watch {}.', labels=[")
    (tmp_path / 'config.py').write_text(config)
    with MSTAInferencer(tmp_path / 'config.py', tiny / 'adapters.pth') as made:
        (expected,) = made(video)
        made.model.test_pipeline = made.pipeline
        torch.save({'state_dict': made.model.state_dict()}, tmp_path / 'knows.pth')
    foundation = tiny / 'foundation.safetensors'
    with MSTAInferencer(checkpoint=tmp_path / 'knows.pth', foundation=foundation) as made:
        assert (made.labels, made.templates) == (LABELS, ['watch {}.'])
        (found,) = made(video)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
        np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)
    with MSTAInferencer(
        checkpoint=tmp_path / 'knows.pth', labels=['a', 'b'], foundation=foundation
    ) as made:
        assert made.labels == ['a', 'b'] and made.templates == ['watch {}.']


def test_the_loop_of_the_documentation_survives_an_unreadable_video(
    tiny, inferencer, monkeypatch, capsys
):
    page = (ROOT / 'docs' / 'inference.md').read_text(encoding='utf-8')
    (program,) = re.findall(r'```python\n(.*?)```', page, re.S)
    monkeypatch.setattr('projects.msta.apis.MSTAInferencer', lambda *a, **k: inferencer)
    monkeypatch.chdir(tiny)  # clip.mp4 is not there
    exec(compile(program, 'docs/inference.md', 'exec'), {'frames': frames_of(videos(tiny)[0])})
    out = capsys.readouterr().out.splitlines()
    assert 'clip.mp4' in out[0] and 'file not found' in out[0]
    assert 'array 0' in out[1] and out[1].endswith('None')

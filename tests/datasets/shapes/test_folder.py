import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from projects.msta.datasets.shapes.classes import (
    ACTIONS,
    BASE_ACTIONS,
    MOTIONS,
    NOVEL_ACTIONS,
    all_actions,
    spatial_descriptions,
    temporal_descriptions,
)
from projects.msta.datasets.shapes.contents import (
    SHOT_SEEDS,
    SHOTS,
    Clip,
    Recipe,
    ShapesError,
    annotation_lists,
)
from projects.msta.datasets.shapes.folder import drawing_processes, make_shapes, write_video
from projects.msta.datasets.shapes.render import render
from projects.msta.datasets.shapes.scenes import DOMAINS
from projects.msta.descriptions import read_descriptions
from projects.msta.labels import read_labels
from projects.msta.tokenizer import count_tokens
from tests.kinds import decode_in_order

ROOT = Path(__file__).resolve().parents[3]
TINY = Recipe(seed=3, train_per_class=2, test_per_class=1, num_frames=8)


def test_processes_draw_after_opencv_has_used_its_threads():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        image = np.random.default_rng(0).random((2000, 2000, 3), dtype=np.float32)
        cv2.resize(image, (4000, 4000))
        with drawing_processes(2) as pool:
            counts = [pool.submit(cv2.setNumThreads, 1), pool.submit(cv2.getNumThreads)]
            assert counts[0].result(timeout=60) is None and counts[1].result(timeout=60) == 1
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(threads)


def words(actions):
    return {word for action in actions for word in action.name.split()}


def test_classes_are_many_and_mostly_told_apart_by_order():
    assert len(ACTIONS) == len({action.name for action in ACTIONS}) == 48
    twins = [a for a in ACTIONS if a.reversed != a]
    assert len(twins) >= len(ACTIONS) / 2
    for half in (BASE_ACTIONS, NOVEL_ACTIONS):
        assert all(action.reversed in half for action in half)
    assert all(MOTIONS[motion.reverse].reverse == key for key, motion in MOTIONS.items())


def test_novel_classes_recombine_words_of_base_classes():
    assert not set(BASE_ACTIONS) & set(NOVEL_ACTIONS)
    assert words(NOVEL_ACTIONS) == words(BASE_ACTIONS)
    assert set(ACTIONS) <= set(all_actions())


def test_descriptions_have_the_published_form_and_fit_the_context():
    for action in all_actions():
        spatial, temporal = spatial_descriptions(action), temporal_descriptions(action)
        assert len(set(spatial)) == len(set(temporal)) == 2
        assert all(text.startswith('A video about ') and text.endswith('.') for text in spatial)
        start = f'A video of {action.name} generally involves the following step: '
        assert all(t.startswith(start) and t.endswith(', which is a sub-step.') for t in temporal)
        assert max(count_tokens(text) for text in spatial + temporal) <= 48


def test_twins_share_spatial_descriptions_and_differ_in_temporal_ones():
    for action in ACTIONS:
        if action.reversed != action and MOTIONS[action.motion].has_other is False:
            assert spatial_descriptions(action) == spatial_descriptions(action.reversed)
        if action.reversed != action:
            assert temporal_descriptions(action) != temporal_descriptions(action.reversed)


@pytest.mark.parametrize('domain', DOMAINS)
def test_same_generator_state_gives_the_same_pixels(domain):
    action = ACTIONS[0]
    first, scene = render(action, DOMAINS[domain], np.random.default_rng(5))
    second, _ = render(action, DOMAINS[domain], np.random.default_rng(5))
    other, _ = render(action, DOMAINS[domain], np.random.default_rng(6))
    assert first.shape == (16, 64, 64, 3) and first.dtype == np.uint8
    assert np.array_equal(first, second) and not np.array_equal(first, other)
    assert scene.action == action


def test_the_target_domain_is_dimmer_than_the_plain_one():
    action = ACTIONS[0]
    bright, dim = (
        np.mean([render(action, DOMAINS[d], np.random.default_rng(s))[0].std() for s in range(8)])
        for d in ('plain', 'target')
    )
    assert dim < 0.7 * bright


def test_a_range_of_one_value_draws_no_random_number():
    plain = DOMAINS['plain']
    drawn = [np.random.default_rng(1) for _ in range(2)]
    frames, _ = render(ACTIONS[0], plain, drawn[0])
    hazy, _ = render(ACTIONS[0], replace(plain, haze=(20.0, 20.0)), drawn[1])
    assert drawn[0].bit_generator.state == drawn[1].bit_generator.state
    assert np.median(hazy.astype(int) - frames) == 20


@pytest.mark.parametrize(
    ('name', 'measure', 'sign'),
    [
        ('a ring moving left', lambda t: t[0].x, -1),
        ('a ring moving right', lambda t: t[0].x, 1),
        ('a square moving up', lambda t: t[0].y, -1),
        ('a square moving down', lambda t: t[0].y, 1),
        ('a cross spinning clockwise', lambda t: t[0].angle, 1),
        ('a cross spinning counterclockwise', lambda t: t[0].angle, -1),
        ('a square growing', lambda t: t[0].radius, 1),
        ('a square shrinking', lambda t: t[0].radius, -1),
        ('a triangle appearing', lambda t: t[0].alpha, 1),
        ('a triangle disappearing', lambda t: t[0].alpha, -1),
        ('a bar approaching a ring', lambda t: np.hypot(t[0].x - t[1].x, t[0].y - t[1].y), -1),
        ('a bar leaving a ring', lambda t: np.hypot(t[0].x - t[1].x, t[0].y - t[1].y), 1),
        (
            'a ring orbiting a square clockwise',
            lambda t: np.unwrap(np.arctan2(t[1].y - t[0].y, t[1].x - t[0].x)),
            1,
        ),
        (
            'a ring orbiting a square counterclockwise',
            lambda t: np.unwrap(np.arctan2(t[1].y - t[0].y, t[1].x - t[0].x)),
            -1,
        ),
    ],
)
@pytest.mark.parametrize('domain', DOMAINS)
def test_what_is_drawn_is_what_the_name_says(name, measure, sign, domain):
    action = next(action for action in ACTIONS if action.name == name)
    for seed in range(20):
        _, scene = render(action, DOMAINS[domain], np.random.default_rng(seed), side=32)
        steps = np.diff(measure(scene.tracks)) * sign
        assert (steps >= -1e-9).all() and steps.sum() > 0.05


def test_every_action_is_drawn_inside_the_frame():
    for action in all_actions():
        for seed in range(3):
            _, scene = render(action, DOMAINS['plain'], np.random.default_rng(seed), 8, 32)
            for track in scene.tracks:
                assert (track.x > 0).all() and (track.x < 1).all()
                assert (track.y > 0).all() and (track.y < 1).all()


def test_lists_are_balanced_nested_and_labelled_within_their_half():
    lists = annotation_lists(Recipe(train_per_class=20))
    for seed in SHOT_SEEDS:
        before: set = set()
        for shots in SHOTS:
            rows = lists[f'base_train_{shots}shot_seed{seed}.txt']
            labels = [label for _, label in rows]
            assert all(labels.count(label) == shots for label in range(len(BASE_ACTIONS)))
            assert before < set(rows)
            before = set(rows)
    train = {path for path, _ in lists['target_train.txt']}
    test = {path for path, _ in lists['target_test.txt']}
    assert not train & test
    assert {label for _, label in lists['novel_test.txt']} == set(range(len(NOVEL_ACTIONS)))
    seeds = [tuple(lists[f'base_train_4shot_seed{seed}.txt']) for seed in SHOT_SEEDS]
    assert len(set(seeds)) == len(seeds)


def test_folder_is_made_completed_and_left_alone(tmp_path):
    out = tmp_path / 'shapes'
    calls = []
    total = 48 * (2 + 1 + 1)
    assert make_shapes(out, TINY, 1, progress=lambda *args: calls.append(args)) == total
    assert calls[0] == (0, total) and calls[-1] == (total, total)
    assert make_shapes(out, TINY, 1) == 0

    labels = read_labels(out / 'labels_base.txt')
    assert labels == [action.name for action in BASE_ACTIONS]
    assert read_descriptions(out / 'descriptions_base.json', labels, 48).names == labels

    rows = [line.rsplit(' ', 1) for line in (out / 'base_test.txt').read_text().splitlines()]
    path, label = rows[5]
    clip = Clip(BASE_ACTIONS[int(label)], 'target', 'test', 0)
    assert clip.path == path
    decoded = np.stack(decode_in_order(out / path))
    drawn = clip.frames(TINY)
    assert decoded.shape == drawn.shape
    # MPEG-4 is lossy; what it loses of the noise stays far below what the shapes change.
    assert np.abs(decoded.astype(int) - drawn).mean() < 16

    before = (out / rows[0][0]).read_bytes()
    (out / path).unlink()
    (out / rows[0][0]).write_bytes(b'')
    (out / 'novel_test.txt').unlink()
    assert make_shapes(out, TINY, 2) == 2
    assert (out / rows[0][0]).read_bytes() == before
    assert (out / 'novel_test.txt').is_file()
    assert not list(out.rglob('.*'))


def test_another_recipe_replaces_the_old_one(tmp_path):
    out = tmp_path / 'shapes'
    make_shapes(out, TINY, 1)
    fewer = Recipe(seed=4, train_per_class=1, test_per_class=1, num_frames=4)
    assert make_shapes(out, fewer, 1) == 48 * 3
    assert json.loads((out / 'recipe.json').read_text())['seed'] == 4
    assert not list(out.glob('*_2shot_*'))
    assert len(list(out.rglob('*.mp4'))) == 48 * 3


def test_videos_of_an_older_renderer_are_not_taken_for_up_to_date(tmp_path):
    out = tmp_path / 'shapes'
    fewest = Recipe(train_per_class=1, test_per_class=1, num_frames=2, side=32)
    make_shapes(out, replace(fewest, version='older'), 1)
    assert make_shapes(out, fewest, 1) == 48 * 3
    assert make_shapes(out, fewest, 1) == 0


def test_foreign_folder_is_refused_and_left_untouched(tmp_path):
    (tmp_path / 'thesis.tex').write_text('mine')
    with pytest.raises(ShapesError, match='not made by this tool'):
        make_shapes(tmp_path, TINY, 1)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


@pytest.mark.parametrize(
    'fields', [{'train_per_class': 0}, {'num_frames': 1}, {'side': 33}, {'seed': -1}]
)
def test_senseless_recipes_are_refused(fields):
    with pytest.raises(ShapesError, match=next(iter(fields))):
        Recipe(**fields)


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises((ShapesError, OSError), match='file'):
        write_video(tmp_path / 'file' / 'x.mp4', np.zeros((2, 64, 64, 3), np.uint8))


def test_tool_reports_a_user_error_in_one_line(tmp_path):
    (tmp_path / 'x').write_text('')
    tool = ROOT / 'tools' / 'data' / 'make_shapes.py'
    done = subprocess.run(
        [sys.executable, tool, '--out', tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith('error: ')
    assert 'Traceback' not in done.stderr

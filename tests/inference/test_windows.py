"""Long videos: which windows, smoothing, merging, and the files made of them."""

import csv
import io
import itertools
import json
import os
import weakref

import av
import cv2
import numpy as np
import pytest

from projects.msta.apis import Rejection
from projects.msta.datasets.decoding import VideoDecodeError
from projects.msta.inference.annotate import (
    h264_encoder,
    write_annotated_video,
    write_timeline_plot,
)
from projects.msta.inference.long_videos import analyse, stream_cells, to_cells
from projects.msta.inference.results import to_csv, to_json
from projects.msta.inference.segments import Cell, clock, join_cells
from projects.msta.inference.sources import Source
from projects.msta.inference.streams import (
    FileStream,
    IteratorStream,
    StreamError,
    at_constant_rate,
    is_live,
)
from projects.msta.inference.windows import WindowScores, iter_windows, smooth, window_starts
from tests.kinds import SOUND_FILES, decode_in_order, encode
from tests.models.conftest import LABELS
from tests.videos import ODD_FILES, moving_square, write_mp4


@pytest.fixture(autouse=True)
def _own_labels(inferencer):
    inferencer.set_labels(LABELS)
    inferencer.set_rejection(None)


@pytest.mark.parametrize(
    ('total', 'length', 'stride', 'expected'),
    [
        (10, 4, 2, [0, 2, 4, 6]),
        (11, 4, 2, [0, 2, 4, 6, 7]),
        (4, 4, 2, [0]),
        (5, 4, 9, [0, 1]),
        (20, 4, 8, [0, 8, 16]),
    ],
)
def test_the_last_window_ends_with_the_video(total, length, stride, expected):
    assert list(window_starts(total, length, stride)) == expected


def test_a_window_gets_the_frames_that_its_stretch_alone_would(inferencer):
    frames = moving_square(40)
    stream = IteratorStream(frames, fps=10)
    windows = list(iter_windows(stream, inferencer.loader, 1.2, 0.5))
    assert [round(w.start_sec * 10) for w in windows] == [0, 5, 10, 15, 20, 25, 28]
    for window in windows:
        start = round(window.start_sec * 10)
        loaded = inferencer.loader.load(Source('part', frames[start : start + 12]))
        np.testing.assert_array_equal(window.inputs.numpy(), loaded.inputs.numpy())


def test_a_short_video_is_one_window_and_scores_as_usual(tiny, inferencer):
    path = str(tiny / 'videos' / 'clip 1.mp4')
    frames = np.stack(decode_in_order(path))
    (usual,) = inferencer(frames)
    (cell,) = stream_cells(inferencer, frames, window_sec=60, fps=10)
    assert cell.labels == usual.labels
    np.testing.assert_allclose(cell.probabilities, usual.probabilities, atol=1e-6)
    (from_file,) = stream_cells(inferencer, path, window_sec=60)
    (as_usual,) = inferencer(path)
    assert from_file.labels == as_usual.labels == usual.labels
    assert from_file.probabilities == as_usual.probabilities


def test_an_endless_stream_is_answered_while_it_runs(inferencer):
    endless = (frame for _ in itertools.count() for frame in moving_square(8))
    cells = stream_cells(inferencer, endless, window_sec=1, stride_sec=0.5, fps=8)
    first = list(itertools.islice(cells, 3))
    assert [round(cell.end_sec, 3) for cell in first] == [0.75, 1.25, 1.75]


def test_an_end_that_fills_no_window_is_left_out(inferencer):
    def frames(count):
        return iter(moving_square(count))

    def starts(count):
        stream = IteratorStream(frames(count), fps=10)
        return [round(w.start_sec, 2) for w in iter_windows(stream, inferencer.loader, 1, 1)]

    assert starts(20) == [0, 1]
    assert starts(26) == [0, 1]  # what is left does not fill a window
    assert starts(23) == [0, 1]
    assert starts(2) == [0]
    with pytest.raises(StreamError, match='no frames'):
        starts(0)


@pytest.mark.parametrize(
    'kind', ['MPEG-4, B frames, AVI', 'H.264, MPEG-TS', 'variable rate', 'GIF']
)
def test_a_video_is_answered_alike_whole_and_as_one_window(kind, inferencer, tmp_path):
    name, write = SOUND_FILES[kind]
    path = str(write(tmp_path / name))
    (usual,) = inferencer(path)
    (cell,) = stream_cells(inferencer, path, window_sec=600)
    assert (cell.labels, cell.probabilities) == (usual.labels, usual.probabilities)


def test_windows_of_a_file_have_the_frames_of_a_decode_in_order(inferencer, tmp_path):
    path = str(encode(tmp_path / 'a.avi', 'mpeg4', bf=2))
    frames = np.stack(decode_in_order(path))
    stream = FileStream(path)
    windows = list(iter_windows(stream, inferencer.loader, 1.2, 0.5))
    stream.close()
    assert [round(w.start_sec * 10) for w in windows] == [0, 5, 10, 15, 20, 25, 28]
    for window in windows:
        start = round(window.start_sec * 10)
        loaded = inferencer.loader.load(Source('part', frames[start : start + 12]))
        np.testing.assert_array_equal(window.inputs.numpy(), loaded.inputs.numpy())


def test_windows_of_a_variable_rate_go_by_time_stamps(inferencer, tmp_path):
    """Three slow seconds, then four quick ones: a window starts with the frame of its second."""
    times = [*range(0, 3000, 500), *range(3000, 4000, 30)]
    path = encode(tmp_path / 'vfr.mp4', times=times, num_frames=len(times))
    frames = np.stack(decode_in_order(path))
    stream = FileStream(path)
    assert stream.times[6] == pytest.approx(3.0, abs=1e-3)
    windows = list(iter_windows(stream, inferencer.loader, 1, 1))
    stream.close()
    assert [w.start_sec for w in windows[:4]] == [0, 1, 2, 3]
    for window in windows[:4]:
        inside = [i for i, t in enumerate(times) if 0 <= t / 1000 - window.start_sec < 1]
        loaded = inferencer.loader.load(Source('part', frames[inside]))
        np.testing.assert_array_equal(window.inputs.numpy(), loaded.inputs.numpy())


def test_a_window_between_two_frames_shows_the_one_before(inferencer, tmp_path):
    path = encode(tmp_path / 'slow.mp4', times=[0, 4000, 8000], num_frames=3)
    stream = FileStream(path)
    windows = list(iter_windows(stream, inferencer.loader, 1, 1))
    stream.close()
    assert [w.start_sec for w in windows] == list(range(12))
    frames = np.stack(decode_in_order(path))
    for window in windows:
        shown = frames[[int(window.start_sec // 4)]]
        loaded = inferencer.loader.load(Source('part', shown))
        np.testing.assert_array_equal(window.inputs.numpy(), loaded.inputs.numpy())


def test_a_crash_or_hang_of_the_decoder_ends_one_timeline(inferencer, tmp_path):
    pipe = tmp_path / 'hung.mp4'
    os.mkfifo(pipe)
    with pytest.raises(VideoDecodeError, match='decoding hung'):
        FileStream(pipe, limit_sec=0.5)
    stream = FileStream(write_mp4(tmp_path / 'good.mp4'))
    stream.grab()
    stream._process._process.kill()
    with pytest.raises(VideoDecodeError, match='SIGKILL'):
        stream.frame()
    assert analyse(inferencer, str(tmp_path / 'good.mp4')).ok


def test_a_copy_at_a_constant_rate_shows_what_is_on_the_screen(tmp_path):
    path = encode(tmp_path / 'vfr.mp4', times=[0, 100, 200, 1200, 1300], num_frames=5)
    stream = FileStream(path)
    indices = []
    for seconds, _ in at_constant_rate(stream):
        indices.append((round(seconds, 2), stream._index))
    stream.close()
    assert [index for _, index in indices] == [1, 2, 2, 2, 4]  # at 0.16, 0.49, ... s


def windows_of(scores):
    return [WindowScores(i, i + 2.0, np.array(row, float)) for i, row in enumerate(scores)]


@pytest.mark.parametrize('span', [1, 3, 5, 9])
@pytest.mark.parametrize('count', [1, 2, 4, 12])
def test_smoothing_is_the_centred_mean(span, count):
    values = np.random.default_rng(count).random((count, 3))
    found = np.array([w.scores for w in smooth(windows_of(values), span)])
    reach = span // 2
    expected = [values[max(0, i - reach) : i + reach + 1].mean(0) for i in range(count)]
    np.testing.assert_allclose(found, expected)


def test_none_of_these_is_decided_before_smoothing(inferencer):
    """Smoothing lowers every maximum: a rule calibrated on what is single would reject too much."""
    rows = np.eye(3) * 0.4  # each window is sure of another label
    single = [WindowScores(i, i + 1.0, row, row.max() < 0.3) for i, row in enumerate(rows)]
    inferencer.set_labels(['a', 'b', 'c'])
    inferencer.set_rejection(Rejection('threshold', 0.3))
    smoothed = list(smooth(single, 3))
    assert smoothed[1].scores.max() < 0.3
    assert [cell.label for cell in to_cells(smoothed, inferencer)] != ['none of these'] * 3
    assert not any(window.rejected for window in smoothed)
    single[1].rejected = True
    assert [w.rejected for w in smooth(single, 3)] == [False, True, False]


def test_the_copy_plays_in_a_browser(inferencer, tmp_path):
    if h264_encoder() is None:
        pytest.skip('no H.264 encoder: pip install av')
    video = write_mp4(tmp_path / 'long.mp4', num_frames=30)
    write_annotated_video(analyse(inferencer, str(video), 2, 1), tmp_path / 'out.mp4')
    with av.open(str(tmp_path / 'out.mp4')) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == 'h264' and stream.codec_context.pix_fmt == 'yuv420p'
        assert len(list(container.decode(stream))) == 30
    head = (tmp_path / 'out.mp4').read_bytes()
    assert head.index(b'moov') < head.index(b'mdat')  # plays before all of it is there


def test_without_an_encoder_the_copy_is_said_not_to_play(inferencer, tmp_path, monkeypatch):
    monkeypatch.setattr('projects.msta.inference.annotate.h264_encoder', lambda: None)
    video = write_mp4(tmp_path / 'long.mp4', num_frames=30)
    with pytest.warns(UserWarning, match='browsers do not'):
        write_annotated_video(analyse(inferencer, str(video), 2, 1), tmp_path / 'out.mp4')
    assert (tmp_path / 'out.mp4').stat().st_size > 1000


@pytest.mark.parametrize('options', [(2, 1, 2), (float('nan'),), (1, -1), (1, 1, 1, -1)])
def test_times_and_spans_that_make_no_sense(inferencer, options):
    with pytest.raises(ValueError, match=r'odd|positive|0 or more'):
        analyse(inferencer, [np.zeros((16, 16, 3), np.uint8)] * 9, *options)


def test_gaps_between_windows_are_said(inferencer):
    with pytest.warns(UserWarning, match='every 2 s: what lies between them is not looked at'):
        analyse(inferencer, [np.zeros((16, 16, 3), np.uint8)] * 99, 1, 2)


def test_cells_cover_the_video_without_gaps(inferencer):
    cells = list(to_cells(windows_of(np.eye(4)), inferencer, topk=2))
    assert cells[0].start_sec == 0 and cells[-1].end_sec == 5.0
    assert all(a.end_sec == b.start_sec for a, b in itertools.pairwise(cells))
    assert [cell.label for cell in cells] == LABELS


def cells_of(text, seconds=1.0):
    return [
        Cell(i * seconds, (i + 1) * seconds, name, [name], [0.5 + 0.1 * (i % 2)])
        for i, name in enumerate(text)
    ]


@pytest.mark.parametrize(
    ('text', 'min_sec', 'expected'),
    [
        ('aabbb', 0, [('a', 0, 2), ('b', 2, 5)]),
        ('aabaa', 2, [('a', 0, 5)]),
        ('aabcaa', 2, [('a', 0, 6)]),
        ('abbb', 2, [('b', 0, 4)]),
        ('aaab', 2, [('a', 0, 4)]),
        ('a', 2, [('a', 0, 1)]),
    ],
)
def test_neighbours_merge_and_short_segments_are_absorbed(text, min_sec, expected):
    found = [(s.label, s.start_sec, s.end_sec) for s in join_cells(cells_of(text), min_sec)]
    assert found == expected


def test_a_segments_probability_is_the_mean_of_its_windows():
    (segment,) = join_cells(cells_of('aaaa'))
    assert segment.probability == pytest.approx(0.55) and segment.windows == 4


def test_files_of_a_timeline(inferencer, tmp_path):
    video = write_mp4(tmp_path / 'long.mp4', num_frames=60)
    timeline = analyse(inferencer, str(video), 2, 1)
    assert timeline.duration_sec == pytest.approx(6)
    data = json.loads(to_json([timeline]))[0]
    assert data['segments'][-1]['end_sec'] == pytest.approx(6) and len(data['windows']) == 5
    rows = list(csv.DictReader(io.StringIO(to_csv([timeline]))))
    assert len(rows) == len(timeline.segments) and rows[0]['label'] in LABELS

    write_annotated_video(timeline, tmp_path / 'out.mp4')
    capture = cv2.VideoCapture(str(tmp_path / 'out.mp4'))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 60
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    image = capture.read()[1]
    assert image.shape == (240, 320, 3)
    # White letters and a bar stand on the darkened strip, and nowhere above it.
    assert (image[200:].min(-1) > 180).any() and not (image[:60].min(-1) > 180).any()

    write_timeline_plot(timeline, tmp_path / 'plot.png')
    assert cv2.imread(str(tmp_path / 'plot.png')).std() > 10
    assert sorted(p.name for p in tmp_path.iterdir()) == ['long.mp4', 'out.mp4', 'plot.png']


def test_a_video_is_not_overwritten_by_its_copy(inferencer, tmp_path):
    video = write_mp4(tmp_path / 'long.mp4', num_frames=10)
    timeline = analyse(inferencer, str(video))
    with pytest.raises(ValueError, match='overwrite'):
        write_annotated_video(timeline, video)
    with pytest.raises(ValueError, match='mp4'):
        write_annotated_video(timeline, tmp_path / 'x.avi')


@pytest.mark.parametrize('kind', ['empty', 'text', 'truncated 50%', 'audio only'])
def test_an_unreadable_video_has_a_timeline_that_says_so(inferencer, tmp_path, kind):
    name, write = ODD_FILES[kind]
    timeline = analyse(inferencer, str(write(tmp_path / name)))
    assert not timeline.ok and name in timeline.error and timeline.cells == []


@pytest.mark.parametrize('count', [2, 16, 20])
def test_an_iterator_is_answered_as_its_list(inferencer, count):
    """Shorter than a window: the frames that are looked at go by the length there is."""
    frames = list(moving_square(count))
    (listed,) = stream_cells(inferencer, frames, window_sec=2, fps=10)
    (iterated,) = stream_cells(inferencer, iter(frames), window_sec=2, fps=10)
    assert vars(iterated) == vars(listed)
    (usual,) = inferencer(np.stack(frames))
    np.testing.assert_allclose(listed.probabilities, usual.probabilities, atol=1e-6)


def test_memory_holds_sampled_frames_only(inferencer):
    """A stream of fresh frames: the number alive at once is that of windows x samples."""
    alive, peak = 0, 0

    class Frame(np.ndarray):
        pass

    def gone():
        nonlocal alive
        alive -= 1

    def frames():
        nonlocal alive, peak
        for index in range(400):
            frame = np.full((16, 16, 3), index % 250, np.uint8).view(Frame)
            weakref.finalize(frame, gone)
            alive += 1
            if index > 110:  # the first window is read ahead whole: the stream may end in it
                peak = max(peak, alive)
            yield frame
            del frame

    for _ in stream_cells(inferencer, frames(), window_sec=5, stride_sec=2.5, fps=20):
        pass
    # Two windows overlap at a time, each with 4 frames of 2 clips; one more is being read.
    assert peak <= 2 * 8 + 3


def test_seconds_are_readable():
    assert [clock(s) for s in (0, 59.96, 3725.44)] == ['0:00.0', '1:00.0', '1:02:05.4']
    assert is_live('rtsp://camera/1') and is_live('0') and not is_live('a.mp4')

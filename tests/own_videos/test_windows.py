"""Long videos become clips of a few seconds that show what they should and stay together."""

import numpy as np

from projects.msta.datasets.readers import IsolatedReader
from projects.msta.own_videos.collect import collect
from projects.msta.own_videos.videos import check_videos
from tests.videos import write_mp4


def test_a_long_video_becomes_windows_of_its_class_and_group(tmp_path):
    videos, out, said = tmp_path / 'videos', tmp_path / 'out', []
    out.mkdir()
    for name, frames in (('run/long.mp4', 45), ('run/short.mp4', 12), ('jump/x.mp4', 29)):
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        write_mp4(videos / name, frames)  # 10 frames per second

    def check(window_sec):
        said.clear()
        clips, _, hashes = check_videos(collect(videos), 1, out, said.append, window_sec)
        assert set(hashes) == {clip.path for clip in clips}
        return clips

    jump, *windows, short = check(window_sec=1.0)
    assert (jump.path, short.path) == ('jump/x.mp4', 'run/short.mp4')
    assert {(w.label, w.group) for w in windows} == {(1, 'file:run/long.mp4')}
    assert 'run/long.mp4' in said[0] and "a clip of the video's class" in said[0]
    whole = IsolatedReader(str(videos / 'run/long.mp4')).get_batch(range(45)).asnumpy()
    shown = []
    for window in windows:
        frames = IsolatedReader(window.path).get_batch(range(10)).asnumpy()
        # Encoded again, so not the same to the last bit: the nearest frame is asked for.
        apart = np.abs(frames[:, None].astype(int) - whole[None]).mean((2, 3, 4))
        shown.append(apart.argmin(1))
    for found, start in zip(shown, np.linspace(0, 35, 4), strict=True):
        assert np.abs(found - (start + np.arange(10))).max() <= 1
    assert check(window_sec=1.0)[1:-1] == windows and not any('cutting' in line for line in said)
    assert [c.path for c in check(window_sec=0)] == ['jump/x.mp4', 'run/long.mp4', 'run/short.mp4']

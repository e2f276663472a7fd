"""How the code that MSTA descends from samples frames, for comparisons with it."""

import numpy as np
from mmaction.datasets.transforms import SampleFrames
from mmaction.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SegmentSampleFrames(SampleFrames):
    """One frame of each of ``clip_len`` equal segments, by MMAction2's ``SampleFrames``.

    ViFi-CLIP (``datasets/build.py``) asks ``SampleFrames`` for as many one-frame clips as a clip
    has frames, and its model reads them as one clip. Here they are one clip for what follows, too.
    Frames differ by at most two from ``UniformSample``, which the configs of this project use.

    With ``num_clips`` above 1 each view is a random sample as in training, as ViFi-CLIP tests.
    Scores then depend on the seed.

    Args:
        clip_len: frames of a clip, one of each segment.
        num_clips: clips of a video, drawn one after the other.
        test_mode: take the middle of each segment, which gives one clip; otherwise a random frame.

    Raises:
        ValueError: If several clips are asked for in test mode: they would be equal.
    """

    def __init__(self, clip_len: int, num_clips: int = 1, test_mode: bool = False) -> None:
        if clip_len < 1 or num_clips < 1:
            raise ValueError(f'clip_len={clip_len} and num_clips={num_clips} must be at least 1')
        if test_mode and num_clips > 1:
            raise ValueError(
                f'num_clips={num_clips} with test_mode=True would give the same frames '
                f'{num_clips} times; set test_mode=False for random clips, or use UniformSample'
            )
        super().__init__(clip_len=1, num_clips=clip_len, test_mode=test_mode)
        self.frames, self.views = clip_len, num_clips

    def transform(self, results: dict) -> dict:
        """Add ``frame_inds`` of ``num_clips`` clips, one after the other."""
        clips = []
        for _ in range(self.views):
            results = super().transform(results)
            clips.append(results['frame_inds'])
        results['frame_inds'] = np.concatenate(clips)
        results.update(clip_len=self.frames, num_clips=self.views, frame_interval=None)
        return results

    def __repr__(self) -> str:
        name, clips = type(self).__name__, self.views
        return f'{name}(clip_len={self.frames}, num_clips={clips}, test_mode={self.test_mode})'

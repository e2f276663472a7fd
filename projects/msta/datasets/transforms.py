"""Pipeline steps that MMAction2 lacks, or that break on this stack; it has all others."""

import random

import cv2
import numpy as np
from mmaction.datasets.transforms import ColorJitter
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from .decoding import DECODERS
from .lists.annotations import video_file
from .readers import BlankReader, IsolatedReader


@TRANSFORMS.register_module()
class MSTAVideoInit(BaseTransform):
    """Open a video file, or a folder of images, by the one reader (:mod:`.readers`).

    A broken file cannot hang or crash what comes after. MMAction2's ``DecordDecode`` follows, which
    reads from any reader. An unreadable video raises :class:`~.decoding.VideoDecodeError`;
    :class:`~.video_dataset.MSTAVideoDataset` catches it.

    With ``results['placeholder']`` true, black frames are given instead and no file is read.

    Args:
        limit_sec: the longest that opening, or reading the frames of one sample, may take.
        decoder: 'pyav', or 'decord' to repeat what earlier versions read, with its errors.
    """

    def __init__(self, limit_sec: float = 60.0, decoder: str = 'pyav') -> None:
        if limit_sec <= 0:
            raise ValueError(f'limit_sec must be a positive number of seconds, got {limit_sec}')
        if decoder not in DECODERS:
            raise ValueError(f'decoder must be one of {", ".join(DECODERS)}, got {decoder!r}')
        self.limit_sec, self.decoder = limit_sec, decoder

    def transform(self, results: dict) -> dict:
        if results.get('placeholder', False):
            reader: BlankReader | IsolatedReader = BlankReader()
        else:
            path = str(video_file(results['filename']))
            reader = IsolatedReader(path, self.limit_sec, decoder=self.decoder)
        results.update(video_reader=reader, total_frames=len(reader), avg_fps=reader.get_avg_fps())
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(limit_sec={self.limit_sec}, decoder={self.decoder!r})'


@TRANSFORMS.register_module()
class MSTADecordInit(MSTAVideoInit):
    """The earlier name of :class:`MSTAVideoInit`, which configs and checkpoints hold."""


def _clips(results: dict) -> list[slice]:
    """Where each clip lies in ``results['imgs']``, a flat list of num_clips x clip_len frames."""
    num_frames = len(results['imgs'])
    num_clips = results.get('num_clips', 1)
    clip_len = num_frames // num_clips
    return [slice(start, start + clip_len) for start in range(0, num_frames, clip_len)]


def _check_probability(p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f'p must lie in [0, 1], got {p}')
    return p


@TRANSFORMS.register_module()
class ClipGrayscale(BaseTransform):
    """Turn a clip gray with probability `p`: one draw per clip, the same for all its frames.

    Frames are (H, W, 3), uint8 RGB, and stay so, with three equal channels (ITU-R 601 luma).
    """

    def __init__(self, p: float = 0.2) -> None:
        self.p = _check_probability(p)

    def transform(self, results: dict) -> dict:
        imgs = list(results['imgs'])
        for clip in _clips(results):
            if random.random() < self.p:
                imgs[clip] = [
                    cv2.cvtColor(cv2.cvtColor(img, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
                    for img in imgs[clip]
                ]
        results['imgs'] = imgs
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(p={self.p})'


def _interleave(planes: np.ndarray) -> np.ndarray:
    """Return (3, H, W) float planes as an (H, W, 3) uint8 image."""
    return cv2.merge(list(np.clip(planes, 0, 255).astype(np.uint8)))


@TRANSFORMS.register_module()
class ClipColorJitter(ColorJitter):
    """ColorJitter applied to a clip with probability `p`, with one draw for all its frames.

    Differs from upstream in three ways: the hue shift is computed in int16 (upstream overflows on
    numpy 2) and as a fraction of the full colour circle, as torchvision does; the order of the four
    changes is drawn again for each clip, not once per run; each of several clips has its own draw.

    Args:
        p: how often a clip is changed.
        brightness: largest change of the factor on brightness, about 1.
        contrast: the same for contrast.
        saturation: the same for saturation.
        hue: largest shift of the hue, as a fraction of the colour circle.
        per_frame: draw the changes again for each frame of a clip, as the code that MSTA descends
            from does (ViFi-CLIP, ``datasets/pipeline.py``, ``ColorJitter``: only ``p`` is drawn
            once for all frames). An option for comparisons with it: colours then flicker.
    """

    def __init__(
        self,
        p: float = 0.8,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.2,
        hue: float = 0.1,
        per_frame: bool = False,
    ) -> None:
        super().__init__(brightness, contrast, saturation, hue)
        self.p = _check_probability(p)
        self.per_frame = per_frame

    @staticmethod
    def adjust_hue(img: np.ndarray, factor: float) -> np.ndarray:
        hsv = cv2.cvtColor(img, cv2.COLOR_RGB2HSV)
        hues = (np.arange(256) + round(factor * 180)) % 180
        hsv[..., 0] = cv2.LUT(hsv[..., 0], hues.astype(np.uint8))
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)

    def transform(self, results: dict) -> dict:
        imgs = list(results['imgs'])
        for clip in _clips(results):
            if random.random() < self.p:
                frames = [slice(i, i + 1) for i in range(clip.start, clip.stop)]
                for part in frames if self.per_frame else [clip]:
                    order = random.sample(range(4), 4)
                    ranges = (self.brightness, self.contrast, self.saturation, self.hue)
                    factors = [np.random.uniform(*limits) for limits in ranges]  # noqa: NPY002 (as upstream)
                    imgs[part] = [self._change(img, order, factors) for img in imgs[part]]
        results['imgs'] = imgs
        return results

    def _change(self, img: np.ndarray, order: list[int], factors: list[float]) -> np.ndarray:
        """Upstream's arithmetic to the last bit, on planes, which is faster."""
        planes = np.stack(cv2.split(img)).astype(np.float32)
        for change in order:
            factor = factors[change]
            if change == 3:
                if factor:
                    turned = self.adjust_hue(_interleave(planes), factor)
                    planes = np.stack(cv2.split(turned)).astype(np.float32)
                continue
            if change:
                gray = self.rgb_to_grayscale(planes.transpose(1, 2, 0))
                rest = np.mean(gray) if change == 1 else gray
            planes *= factor
            if change:
                planes += (1 - factor) * rest
        return _interleave(planes)

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, p={self.p}, per_frame={self.per_frame})'

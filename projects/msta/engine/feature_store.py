"""Cached features on disk: one file per video, memory-mapped, whole or not there."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..files import replacing, write_text

GIB = 2**30
DTYPES = {'bfloat16': torch.bfloat16, 'float32': torch.float32}


class FeatureCacheError(ValueError):
    """Features that cannot be cached as asked."""


class FeatureStore:
    """Features of the augmented views of videos, for one foundation, pipeline and seed.

    A video's file holds one tensor ``(A, P, R, L, W)``: A views, each of P parts (what enters the
    first adapted block and, with an adapter that reads only this, what the frozen block itself
    makes of it) of R rows (1, or one per frame) of L tokens of W channels.

    Args:
        folder: of all stores; this one's part of it is named by a hash of ``facts``.
        facts: all that the features depend on but the video; written beside them.
        shape: ``(A, P, R, L, W)``.
        dtype: a key of :data:`DTYPES`.
    """

    def __init__(
        self, folder: Path, facts: Mapping[str, Any], shape: tuple[int, ...], dtype: str
    ) -> None:
        text = json.dumps(facts, indent=2, sort_keys=True, default=str)
        self.root = folder
        self.folder = folder / hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        self.shape, self.dtype = shape, DTYPES[dtype]
        self._facts = text

    @property
    def bytes_per_video(self) -> int:
        return torch.Size(self.shape).numel() * self.dtype.itemsize

    def path(self, video: str | Path) -> Path:
        """Name the file of a video by its path, size and time of change."""
        status = Path(video).stat()
        identity = f'{Path(video).resolve()}\n{status.st_size}\n{status.st_mtime_ns}'
        digest = hashlib.blake2b(os.fsencode(identity), digest_size=12)
        return self.folder / f'{digest.hexdigest()}.st'

    def holds(self, video: str | Path) -> bool:
        """Tell whether a video's features are there, whole."""
        try:
            with safe_open(self.path(video), 'pt') as file:
                return tuple(file.get_slice('features').get_shape()) == self.shape
        except (OSError, SafetensorError):
            return False

    def write(self, video: str | Path, features: Tensor) -> None:
        """Keep the features ``(A, P, R, L, W)`` of a video."""
        if features.shape != self.shape:
            raise FeatureCacheError(
                f'{video}: its views are {tuple(features.shape)}, those of the first video '
                f'{self.shape}; cached views must be of one size: end the pipeline with a crop '
                'or a Resize to one'
            )
        stored = features.to('cpu', self.dtype).contiguous()
        with replacing(self.path(video)) as temporary:
            save_file({'features': stored}, temporary)

    def read(self, video: str | Path, view: int) -> Tensor:
        """Read one view's features ``(P, R, L, W)``, and nothing else, from the disk."""
        with safe_open(self.path(video), 'pt') as file:
            return file.get_slice('features')[view]

    def reserve(self, missing: int, max_gib: float) -> None:
        """Raise :class:`FeatureCacheError` unless ``missing`` more videos fit."""
        more = missing * self.bytes_per_video
        held = sum(path.stat().st_size for path in self.root.glob('*/*.st'))
        views, *_ = self.shape
        what = (
            f'feature cache: {missing} videos x {views} views need {more:,} bytes '
            f'({more / GIB:.2f} GiB), {self.root} holds {held:,} bytes already'
        )
        advice = 'Lower `views`, store bfloat16, delete what other settings left there, or '
        limit = int(max_gib * GIB)
        if held + more > limit:
            raise FeatureCacheError(f'{what}; the limit is {limit:,}. {advice}raise `max_gib`')
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if more > free:
            what = f'{what}; the disk has {free:,} free'
            raise FeatureCacheError(f'{what}. {advice}name another `folder`')
        write_text(self.folder / 'facts.json', self._facts)

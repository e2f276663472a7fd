"""Checkpoint files from anywhere, read without running code in them or filling the memory."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# What torch.load raises on damaged files; MemoryError: sizes made up in the pickle.
READ_ERRORS = (
    RuntimeError,
    EOFError,
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    MemoryError,
    zipfile.BadZipFile,
)


class ArchiveError(ValueError):
    """A file that is not a checkpoint, or not one to open."""


class DamagedArchiveError(ArchiveError):
    """A checkpoint that was cut off or overwritten."""


def find_checkpoint(path: str | Path) -> Path:
    """Check that a PyTorch checkpoint is there, whole and no larger than it looks.

    Raises:
        FileNotFoundError: there is none, naming those in its folder.
        ArchiveError: not a PyTorch file, cut off, or one that unpacks to far more than its size.
    """
    path = Path(path)
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob('*.pth')) if path.parent.is_dir() else []
        hint = f'; {path.parent} has {", ".join(near)}' if near else ''
        raise FileNotFoundError(f'no checkpoint {path}{hint}')
    if not zipfile.is_zipfile(path):
        with path.open('rb') as file:
            begun = file.read(4) in (b'', b'PK\x03\x04')
        if begun:
            raise DamagedArchiveError(f'{path} is damaged: it was cut off while being copied')
        raise ArchiveError(f'{path} is not a PyTorch checkpoint, or was cut off while being copied')
    check_size(path)
    return path


def check_size(path: Path) -> list[str]:
    """Refuse an archive that unpacks to far more than its size; give its entries' names."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DamagedArchiveError(f'{path}: truncated or damaged ({error})') from error
    size, unpacked = path.stat().st_size, sum(entry.file_size for entry in entries)
    if unpacked > 2 * size + 1_000_000:
        raise ArchiveError(
            f'{path}: {size:,} bytes that unpack to {unpacked:,}. PyTorch never compresses its '
            'tensors: this is not a checkpoint and is not opened'
        )
    return [entry.filename for entry in entries]


def read_plain(path: str | Path, map_location: Any = 'cpu') -> Any:
    """What a checkpoint holds: tensors and plain values, or nothing at all.

    Raises:
        FileNotFoundError: there is none.
        ArchiveError: damaged, or holding what could run code or fill the memory.
    """
    import torch

    path = find_checkpoint(path)
    try:
        content = torch.load(path, map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        _check_sums(path)
        raise ArchiveError(
            f'{path} holds objects that could run code when loaded, and is refused; nothing in it '
            'was executed'
        ) from error
    except READ_ERRORS as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DamagedArchiveError(f'{path} cannot be read, it is damaged: {reason[0]}') from error
    check_tensors(_tensors(content), path)
    return content


def _check_sums(path: Path) -> None:
    """Tell a file whose bytes have changed from one that was written as it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            spoilt = archive.testzip()
    except READ_ERRORS as error:
        raise DamagedArchiveError(f'{path} cannot be read, it is damaged: {error}') from error
    if spoilt is not None:
        raise DamagedArchiveError(f'{path} cannot be read, it is damaged: {spoilt} has changed')


def check_tensors(tensors: Mapping[str, Tensor], origin: str | Path) -> None:
    """Refuse a tensor that repeats its stored values: a few bytes can declare any size so."""
    for name, tensor in tensors.items():
        declared, stored = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        if declared > stored:
            raise ArchiveError(
                f'{origin}: {name} is declared as {tuple(tensor.shape)}, {declared:,} bytes, but '
                f'{stored:,} are stored; this is not a checkpoint and is not used'
            )


def not_finite(named: Iterable[tuple[str, Any]]) -> list[str]:
    """Names of the tensors that hold NaN or infinity."""
    import torch

    return [
        name
        for name, value in named
        if isinstance(value, torch.Tensor)
        and (value.is_floating_point() or value.is_complex())
        and not torch.isfinite(value).all()
    ]


def _tensors(content: Any) -> dict[str, Tensor]:
    """All tensors in nested containers, by their place."""
    import torch

    def walk(value: Any, place: str) -> Iterator[tuple[str, Tensor]]:
        # A container may hold itself.
        if isinstance(value, torch.Tensor):
            yield place, value
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, item in pairs:
                yield from walk(item, f'{place}.{key}' if place else str(key))

    seen: set[int] = set()
    try:
        return dict(walk(content, ''))
    except RecursionError as error:
        raise ArchiveError('the checkpoint is nested too deeply to be one') from error

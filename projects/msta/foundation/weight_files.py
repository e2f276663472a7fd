"""Tensors from weight files and folders: recognised by content, nothing executed."""

from __future__ import annotations

import json
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..archives import READ_ERRORS, ArchiveError, check_size, check_tensors
from .architecture import FoundationError
from .torchscript import is_torchscript, read_torchscript

_WEIGHT_FILES = (
    'model.safetensors', 'open_clip_model.safetensors', 'pytorch_model.bin',
    'open_clip_pytorch_model.bin',
)  # fmt: skip
_SHARD = re.compile(r'-\d{5}-of-(\d{5})\.(safetensors|bin)$')


def _tensors_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The state dict inside whatever a checkpoint file holds beside it."""
    for key in ('model', 'model_state', 'state_dict', 'weights', 'module'):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        raise FoundationError(f'{path}: holds a {type(loaded).__name__}, not a state dict')
    tensors = {k: v for k, v in loaded.items() if isinstance(k, str) and isinstance(v, Tensor)}
    check_tensors(tensors, path)
    return tensors


def _read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of one weight file, whichever of the formats it is in."""
    size = path.stat().st_size
    with path.open('rb') as file:
        head = file.read(9)
    try:
        if head.startswith(b'PK') and is_torchscript(check_size(path)):
            return _tensors_of(read_torchscript(path), path), {}
        if len(head) == 9 and head[8:9] == b'{' and struct.unpack('<Q', head[:8])[0] < size:
            with safe_open(path, framework='pt') as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                return tensors, dict(file.metadata() or {})
        if head.startswith((b'PK', b'\x80')):
            return _tensors_of(torch.load(path, 'cpu', weights_only=True), path), {}
    except FoundationError:
        raise
    except ArchiveError as error:
        raise FoundationError(str(error)) from error
    except pickle.UnpicklingError as error:
        raise FoundationError(
            f'{path}: refused, because it holds more than tensors: {str(error).splitlines()[0]}. '
            'Nothing in it was executed. Get the file from its publisher, or save its state dict '
            'as safetensors: docs/foundations.md says how to do that safely'
        ) from error
    except (zipfile.BadZipFile, SafetensorError, EOFError, OSError, RuntimeError) as error:
        raise FoundationError(
            f'{path}: {size:,} bytes that cannot be read as a checkpoint ({error}). The file is '
            "truncated or damaged: fetch it again and compare its size with the publisher's"
        ) from error
    except (*READ_ERRORS, struct.error) as error:
        raise FoundationError(
            f'{path}: not a checkpoint that can be understood ({error!r})'
        ) from error
    raise FoundationError(
        f'{path}: not a checkpoint (its first bytes are {head[:8]!r}). Expected a PyTorch file '
        '(.pt, .pth, .bin), TorchScript or safetensors'
    )


def _files_in(folder: Path) -> list[Path]:
    """The weight file of a folder, or its shards by the index that names them, as transformers
    reads them: what else lies there is not part of the model.
    """
    for name in _WEIGHT_FILES:
        index = folder / f'{name}.index.json'
        if (folder / name).is_file():
            return [folder / name]
        if index.is_file():
            try:
                names = sorted(
                    set(json.loads(index.read_text(encoding='utf-8'))['weight_map'].values())
                )
                files = [folder / Path(name).name for name in names]
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise FoundationError(f'{index}: not an index of shards ({error!r})') from error
            gone = [file.name for file in files if not file.is_file()]
            if gone:
                raise FoundationError(
                    f'{index} names {len(files)} shards, of which {", ".join(gone)} are missing: '
                    'fetch the whole folder'
                )
            return files
    raise FoundationError(
        f'{folder}: a folder without weights; expected one of {", ".join(_WEIGHT_FILES)}'
    )


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a weight file, or of a folder of one file or its shards."""
    path = Path(path)
    shard = _SHARD.search(path.name)
    if shard is not None:
        raise FoundationError(
            f'{path}: one of {int(shard[1])} shards, a part of a model: name its folder'
        )
    state: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for file in _files_in(path) if path.is_dir() else [path]:
        tensors, metadata = _read_file(file)
        state.update(tensors)
    return state, metadata


def snapshot_of(path: Path) -> Path:
    """A model's folder in Hugging Face's cache -> the snapshot in it; any other path as it is.

    Raises:
        FoundationError: it holds several, none of which its ``refs/main`` names.
    """
    snapshots = sorted(path.glob('snapshots/*')) if path.name.startswith('models--') else []
    if len(snapshots) < 2:
        return snapshots[0] if snapshots else path
    main = path / 'refs' / 'main'
    named = [s for s in snapshots if main.is_file() and s.name == main.read_text().strip()]
    if not named:
        listed = ', '.join(map(str, snapshots))
        raise FoundationError(f'{path}: holds several snapshots; name one of them: {listed}')
    return named[0]

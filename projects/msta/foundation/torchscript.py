"""Tensors out of a TorchScript archive, without running anything in it.

OpenAI publishes CLIP as TorchScript. ``torch.jit.load`` would compile and may run code from the
file; here its ``data.pkl`` is read by an unpickler that knows tensors and inert containers only.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_DTYPES = {
    'DoubleStorage': torch.float64, 'FloatStorage': torch.float32, 'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16, 'LongStorage': torch.int64, 'IntStorage': torch.int32,
    'ShortStorage': torch.int16, 'CharStorage': torch.int8, 'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
}  # fmt: skip


class _ScriptObject:
    """Stands for any scripted module: holds its attributes, does nothing."""

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


def _rebuild_tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    return storage.as_strided(tuple(size), tuple(stride), int(offset))


class _TensorUnpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(archive.open(f'{root}/data.pkl'))
        self._archive = archive
        self._root = root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith('__torch__'):
            return _ScriptObject
        if (module, name) == ('collections', 'OrderedDict'):
            return OrderedDict
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
            return _rebuild_tensor
        if module == 'torch' and name in _DTYPES:
            return name
        if module == 'torch.jit._pickle':  # typed lists, and type tags on containers
            return lambda value, *_: value
        raise pickle.UnpicklingError(f'the archive asks for {module}.{name}, which is not a tensor')

    def persistent_load(self, pid: Any) -> Tensor:
        _, storage_type, key, _, numel = pid
        if key not in self._storages:
            data = bytearray(self._archive.read(f'{self._root}/data/{key}'))
            dtype = _DTYPES[storage_type]
            tensor = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
            if tensor.numel() != numel:
                raise pickle.UnpicklingError(
                    f'storage {key} holds {tensor.numel()} values where {numel} are declared'
                )
            self._storages[key] = tensor
        return self._storages[key]


def _collect(node: Any, prefix: str, out: dict[str, Tensor]) -> None:
    for name, value in node.state.items():
        if isinstance(value, Tensor):
            out[prefix + name] = value
        elif isinstance(value, _ScriptObject):
            _collect(value, f'{prefix}{name}.', out)


def is_torchscript(names: Sequence[str]) -> bool:
    """Return whether an archive with these entries is TorchScript."""
    return any(name.endswith('/constants.pkl') for name in names)


def read_torchscript(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a TorchScript module by dotted name; raises ``pickle.UnpicklingError`` when
    the archive holds anything else than modules and tensors.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith('/data.pkl')]
        if not names:
            raise KeyError('data.pkl')
        root = names[0].split('/')[0]
        module = _TensorUnpickler(archive, root).load()
    if not isinstance(module, _ScriptObject):
        raise pickle.UnpicklingError('the archive does not hold a module')
    tensors: dict[str, Tensor] = {}
    _collect(module, '', tensors)
    return tensors

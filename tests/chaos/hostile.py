"""Checkpoint files as an attacker, a bad disk, or a mix-up would make them."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

EXTRA = 'backbone._extra_state'


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (os.mkdir, (str(self.marker),))


def declare(path: Path, entries: int = 8) -> None:
    """Make an archive of a few bytes that says it unpacks to 4 GB an entry."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', pickle.dumps({}))
        for number in range(entries):
            archive.writestr(f'archive/data/{number}', bytes(1000))
    data = whole.getvalue()
    # The size that each entry of the directory declares, at byte 24 of it, and its local header.
    for mark, offset in ((b'PK\x01\x02', 24), (b'PK\x03\x04', 22)):
        parts = data.split(mark)
        huge = (0xFFFFFFFE).to_bytes(4, 'little')
        patched = [p[: offset - 4] + huge + p[offset:] for p in parts[1:]]
        data = mark.join([parts[0], *patched])
    path.write_bytes(data)


def edited(good: Mapping[str, Any], change: Callable[[dict], None]) -> dict:
    content = {**good, 'state_dict': dict(good['state_dict'])}
    change(content['state_dict'])
    return content


def a_weight(state: Mapping[str, Any]) -> str:
    """A trained matrix."""
    return next(key for key, value in state.items() if key != EXTRA and value.ndim == 2)


def _other_foundation(state: dict) -> None:
    facts = json.loads(bytes(state[EXTRA].tolist()))
    facts['fingerprint'] = 'f' * len(facts['fingerprint'])
    state[EXTRA] = torch.tensor(list(json.dumps(facts).encode()), dtype=torch.uint8)


def _not_a_number(state: dict) -> None:
    key = a_weight(state)
    state[key] = state[key].clone()
    state[key][0, 0] = float('nan')


def _wrong_shape(state: dict) -> None:
    key = a_weight(state)
    state[key] = torch.zeros(3, 5)


def _repeated(state: dict) -> None:
    state[a_weight(state)] = torch.zeros(1).expand(10**6, 10**6)


def _made_up_size(state: dict) -> None:
    state['extra'] = torch.zeros(1).as_strided((2**40,), (0,))


def trained(kind: str, good: Mapping[str, Any], path: Path, marker: Path) -> None:
    """Write a checkpoint of trained adapters of one of :data:`TRAINED` kinds.

    Args:
        good: the content of a checkpoint that is whole.
        path: where it goes.
        marker: the folder that its payload makes, if it runs.
    """
    if kind == 'malicious pickle':
        torch.save({**good, 'message_hub': Payload(marker)}, path)
    elif kind == 'malicious pickle as weights':
        torch.save({'state_dict': Payload(marker)}, path)
    elif kind == 'malicious pickle without an archive':
        torch.save({**good, 'x': Payload(marker)}, path, _use_new_zipfile_serialization=False)
    elif kind.startswith('truncated'):
        torch.save(dict(good), path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * float(kind.split()[-1]))])
    elif kind == 'zip bomb':
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.writestr('archive/data.pkl', bytes(100_000_000))
    elif kind == 'zip that declares 38 GB':
        declare(path)
    elif kind == 'not a checkpoint':
        path.write_bytes(b'<!DOCTYPE html><html>not found</html>')
    elif kind == 'flipped bytes':
        torch.save(dict(good), path)
        data = bytearray(path.read_bytes())
        start = data.index(b'data.pkl') + 64
        for place in range(start, start + 2000, 3):
            data[place] ^= 0x5A
        path.write_bytes(data)
    else:
        torch.save(edited(good, _EDITS[kind]), path)


def _no_tensor(state: dict) -> None:
    state[a_weight(state)] = 'drop table'


_EDITS: dict[str, Callable[[dict], None]] = {
    'NaN weights': _not_a_number,
    'wrong shapes': _wrong_shape,
    'a text for a tensor': _no_tensor,
    "another foundation's adapters": _other_foundation,
    'tensor that declares 4 TB': _repeated,
    'unknown tensor that declares 4 TB': _made_up_size,
}

TRAINED = (
    'malicious pickle',
    'malicious pickle as weights',
    'malicious pickle without an archive',
    'truncated at 0',
    'truncated at 0.5',
    'truncated at 0.99',
    'zip bomb',
    'zip that declares 38 GB',
    'not a checkpoint',
    'flipped bytes',
    *_EDITS,
)

"""Foundation weights from files: recognised by content, checked in full, nothing executed."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..archives import READ_ERRORS, ArchiveError, check_size, check_tensors, not_finite
from ..files import replacing
from .architecture import Architecture, FoundationError
from .convert import detect_format, infer_architecture, strip_wrappers, to_viclip
from .model import VideoLanguageModel
from .torchscript import is_torchscript, read_torchscript

_WEIGHT_FILES = (
    'model.safetensors',
    'open_clip_model.safetensors',
    'pytorch_model.bin',
    'open_clip_pytorch_model.bin',
)
_LISTED = 12  # keys named in an error before '... and N more'


def _listing(keys: list[str]) -> str:
    more = f' ... and {len(keys) - _LISTED} more' if len(keys) > _LISTED else ''
    return ', '.join(keys[:_LISTED]) + more


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework='pt') as file:
        metadata = dict(file.metadata() or {})
        return {key: file.get_tensor(key) for key in file.keys()}, metadata  # noqa: SIM118


def _tensors_of(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The state dict inside whatever a checkpoint file holds beside it."""
    for key in ('model', 'state_dict', 'module'):
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
        if head.startswith(b'PK'):
            if is_torchscript(check_size(path)):
                return _tensors_of(read_torchscript(path), path), {}
            return _tensors_of(torch.load(path, 'cpu', weights_only=True), path), {}
        if len(head) == 9 and head[8:9] == b'{' and struct.unpack('<Q', head[:8])[0] < size:
            return _read_safetensors(path)
        if head.startswith(b'\x80'):
            return _tensors_of(torch.load(path, 'cpu', weights_only=True), path), {}
    except FoundationError:
        raise
    except ArchiveError as error:
        raise FoundationError(str(error)) from error
    except pickle.UnpicklingError as error:
        raise FoundationError(
            f'{path}: refused, because it holds more than tensors: {str(error).splitlines()[0]}. '
            'Nothing in it was executed. Get the file from its publisher, or save its state dict '
            'as safetensors'
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


def _read_folder(folder: Path) -> tuple[dict[str, Tensor], dict[str, str], dict[str, Any]]:
    """A Hugging Face style folder: one weight file or shards, and ``config.json``."""
    shards = sorted(folder.glob('model-*-of-*.safetensors'))
    found = shards or [folder / name for name in _WEIGHT_FILES if (folder / name).is_file()][:1]
    if not found:
        raise FoundationError(
            f'{folder}: a folder without weights; expected one of {", ".join(_WEIGHT_FILES)}'
        )
    state: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for file in found:
        tensors, metadata = _read_file(file)
        state.update(tensors)
    config: dict[str, Any] = {}
    for name in ('config.json', 'open_clip_config.json'):
        if (folder / name).is_file():
            try:
                config = json.loads((folder / name).read_text(encoding='utf-8'))
            except ValueError as error:
                raise FoundationError(f'{folder / name}: not valid JSON ({error})') from error
            break
    return state, metadata, config


def _hints(
    state: Mapping[str, Tensor], metadata: Mapping[str, str], config: Mapping[str, Any]
) -> dict[str, Any]:
    """What tensors cannot tell, activation and heads: from metadata, a config or the key style."""
    hints: dict[str, Any] = {}
    if 'vision_config' in config:  # Hugging Face
        vision, text = config['vision_config'], config.get('text_config', {})
        hints['activation'] = vision.get('hidden_act', 'quick_gelu')
        hints['heads'] = vision.get('num_attention_heads')
        hints['text_heads'] = text.get('num_attention_heads')
    elif 'model_cfg' in config:  # OpenCLIP
        model = config['model_cfg']
        hints['activation'] = 'quick_gelu' if model.get('quick_gelu') else 'gelu'
        hints['text_heads'] = model.get('text_cfg', {}).get('heads')
    elif 'visual.conv1.weight' in state and 'input_resolution' not in state:
        # OpenAI's own files say their input resolution; without it this is OpenCLIP's training.
        hints['activation'] = 'gelu'
    for key in ('heads', 'text_heads'):
        if key in metadata:
            if not metadata[key].isdecimal() or not int(metadata[key]):
                raise FoundationError(
                    f'its metadata says {key}={metadata[key]!r}, not a number > 0'
                )
            hints[key] = int(metadata[key])
    hints['activation'] = metadata.get('activation', hints.get('activation', 'quick_gelu'))
    return hints


def load_foundation(path: str | Path, activation: str | None = None) -> VideoLanguageModel:
    """Read a foundation model from a file or folder.

    Recognised by content: OpenAI CLIP (``.pt``, TorchScript or state dict), Hugging Face CLIP
    (folder, ``.safetensors`` or ``.bin``), OpenCLIP, ViCLIP (``.pth`` or ``.safetensors``). The
    architecture is inferred from the tensors; weights become float32.

    ``activation`` (``'quick_gelu'`` or ``'gelu'``) overrides the one found: a bare OpenCLIP state
    dict does not say, and ``'gelu'`` is assumed, which is right for LAION's models; pass
    ``'quick_gelu'`` for OpenAI's weights in OpenCLIP's form.

    Raises :class:`FoundationError` when the file is damaged, foreign, holds anything but tensors,
    or when keys are missing or unknown; ``FileNotFoundError`` when there is none.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f'foundation weights not found: {path}')
    config: dict[str, Any] = {}
    if path.is_dir():
        state, metadata, config = _read_folder(path)
    else:
        state, metadata = _read_file(path)
    state = strip_wrappers(state)
    try:
        known = detect_format(state)
        hints = _hints(state, metadata, config)
        if activation:
            hints['activation'] = activation
        ours = known.convert(state)
        arch = infer_architecture(known.kind, ours, **hints)
    except (FoundationError, KeyError) as error:
        reason = f'lacks the tensor {error}' if isinstance(error, KeyError) else error
        raise FoundationError(f'{path}: {reason}') from error
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise FoundationError(
            f'{path}: recognised as {known.name}, but its tensors do not fit together ({error})'
        ) from error
    _check_fit(arch, ours, path, known.name)
    model = VideoLanguageModel(arch)
    model.load_state_dict(ours, strict=True)
    return model


def _check_fit(
    arch: Architecture, state: Mapping[str, Tensor], path: Path, format_name: str
) -> None:
    with torch.device('meta'):  # shapes alone: a file may declare a model of any size
        expected = VideoLanguageModel(arch).state_dict()
    problems = []
    missing = sorted(set(expected) - set(state))
    unknown = sorted(set(state) - set(expected))
    common = sorted(set(expected) & set(state))
    misshapen = {key for key in common if state[key].shape != expected[key].shape}
    shapes = [
        f'{key} is {tuple(state[key].shape)}, expected {tuple(expected[key].shape)}'
        for key in sorted(misshapen)
    ]
    fitting = ((key, state[key]) for key in common if key not in misshapen)
    for title, keys in (
        ('missing', missing),
        ('unknown', unknown),
        ('of another shape', shapes),
        ('holding NaN or infinity', not_finite(fitting)),
    ):
        if keys:
            problems.append(f'{len(keys)} tensor(s) {title}: {_listing(keys)}')
    if problems:
        raise FoundationError(
            f'{path}: recognised as {format_name}, but it does not fit the architecture read off '
            f'it ({arch}); nothing was loaded.\n  ' + '\n  '.join(problems)
        )


def save_foundation(
    model: VideoLanguageModel,
    path: str | Path,
    dtype: torch.dtype = torch.float16,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a ViCLIP model as safetensors in the original's key names, for :func:`load_foundation`.

    ``metadata`` (strings) says how it was made; heads and activation are added, since tensors do
    not show them.
    """
    if model.arch.kind != 'ViCLIP':
        raise FoundationError(f'only ViCLIP models are written; this one is {model.arch.kind}')
    path = Path(path)
    state = {k: v.to(dtype).contiguous() for k, v in to_viclip(model.state_dict()).items()}
    state['temp'] = state['temp'].float()
    facts = {
        'format': 'pt',
        'activation': model.arch.activation,
        'heads': str(model.arch.heads),
        'text_heads': str(model.arch.text_heads),
        **(metadata or {}),
    }
    with replacing(path) as temporary:
        save_file(state, temporary, facts)

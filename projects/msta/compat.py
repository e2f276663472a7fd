"""Every patch of a foreign package, each with its name, its reason and its upstream report.

Four sections:

- Imports: :func:`apply` makes the pinned OpenMMLab packages import on current PyTorch.
  ``import projects.msta.register`` calls it first. Each work-around is applied only where its fault
  is present.
- Reading checkpoints: :func:`patch_mmengine`, which ``projects.msta.engine`` calls when imported.
- Writing configs: :func:`format_config_once`, called where a Runner is made.
- Reading configs: :func:`quote_config_paths`, called where one is read.

Importing this module patches nothing. :func:`in_force` lists what was applied in this process.
Faults that a subclass or a hook can fix are fixed where they belong: ``engine`` (checkpoints,
bfloat16 on a CPU) and ``datasets`` (transforms).
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_LOCALIZERS = 'mmaction.models.localizers'
_OPERATORS = 'torchvision'

# ---------------------------------------------------------------------- what was applied

_in_force: dict[str, str] = {}
# An operator's schema lives as long as the library object that declared it.
_libraries: list[Any] = []


def in_force() -> dict[str, str]:
    """Give the patches applied in this process, as name -> reason with its upstream report."""
    return dict(_in_force)


# ---------------------------------------------------------------------- importing packages


def apply() -> dict[str, str]:
    """Apply every work-around whose fault is present; further calls do nothing more.

    Returns what :func:`in_force` gives. An installation broken in a way not known here raises
    its own error, unchanged.
    """
    for name, (mend, reason) in _WORK_AROUNDS.items():
        if name not in _in_force and mend():
            _in_force[name] = reason
    return in_force()


def _mend_torchvision_operators() -> bool:
    """Declare ``nms`` and ``qnms`` if torchvision's compiled operators do not load.

    torchvision registers fake kernels for the two at import, which fails if the library that
    declares them was built for another torch. Declared without a kernel, they let the import pass,
    and a call of them fails with torch's own message.
    """
    try:
        importlib.import_module('torchvision')
        return False
    except RuntimeError as error:
        if 'operator torchvision::nms does not exist' not in str(error):
            raise
    import torch

    # What the failed import left half-way must not be found by the second one.
    for module in [name for name in sys.modules if name.split('.')[0] == 'torchvision']:
        del sys.modules[module]
    library = torch.library.Library(_OPERATORS, 'FRAGMENT')
    for operator in ('nms', 'qnms'):
        library.define(f'{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    _libraries.append(library)
    importlib.import_module('torchvision')
    return True


def _mend_missing_drn() -> bool:
    """Put an empty ``drn`` package where mmaction2's wheel left it out."""
    spec = find_spec('mmaction')
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise ModuleNotFoundError(
            'mmaction2 is not installed; install it with: pip install -r requirements.txt'
        )
    if f'{_LOCALIZERS}.drn' in sys.modules:
        return False
    if any((Path(folder) / 'models' / 'localizers' / 'drn').is_dir() for folder in folders):
        return False
    package, module = ModuleType(f'{_LOCALIZERS}.drn'), ModuleType(f'{_LOCALIZERS}.drn.drn')
    package.__path__ = []
    package.drn = module  # type: ignore[attr-defined]
    module.DRN = _MissingDRN  # type: ignore[attr-defined]
    sys.modules[package.__name__] = package
    sys.modules[module.__name__] = module
    return True


def _mend_multimodal_switch() -> bool:
    """Switch off the chat models of mmaction2 and mmpretrain that need an older transformers.

    Both import them wherever any transformers is installed, and fail as a whole on one that has
    moved the helpers of their BERT. Switched off, they register placeholders, as they do without
    transformers. The file is read as text: importing transformers would cost seconds.
    """
    spec = find_spec('transformers')
    folders = list(spec.submodule_search_locations or []) if spec else []
    sources = [path for f in folders if (path := Path(f) / 'modeling_utils.py').is_file()]
    if not sources or any(
        'apply_chunking_to_forward' in path.read_text(encoding='utf-8') for path in sources
    ):
        return False
    switched = False
    for package in ('mmpretrain', 'mmaction'):
        dependency = importlib.import_module(f'{package}.utils.dependency')
        if dependency.WITH_MULTIMODAL:
            dependency.WITH_MULTIMODAL = False  # type: ignore[attr-defined]
            switched = True
    return switched


class _MissingDRN:
    """A stand-in for the localizer ``DRN``, which the installed mmaction2 does not contain."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ImportError(
            'DRN is missing from the mmaction2 wheel (open-mmlab/mmaction2#2714); '
            'install mmaction2 from source to use it'
        )


_WORK_AROUNDS: dict[str, tuple[Callable[[], bool], str]] = {
    'torchvision operators': (
        _mend_torchvision_operators,
        "torchvision's compiled operators do not load with this torch build; nms and qnms are "
        'declared without a kernel (pytorch/pytorch#122494)',
    ),
    'mmaction drn': (
        _mend_missing_drn,
        'the mmaction2 wheel lacks mmaction.models.localizers.drn (open-mmlab/mmaction2#2714)',
    ),
    'transformers': (
        _mend_multimodal_switch,
        'the installed transformers has moved helpers that mmaction2 imports; its VindLU models '
        'are switched off (discuss.huggingface.co/t/174317)',
    ),
}


# ---------------------------------------------------------------------- reading checkpoints


def patch_mmengine() -> None:
    """Let MMEngine read every local checkpoint as plain data; further calls do nothing more.

    Its own reader passes ``weights_only`` on as torch's default has it, names neither the file nor
    the fault of a damaged one, and unpacks an archive of any size.
    """
    if 'mmengine checkpoints' in _in_force:
        return
    from mmengine.hooks import checkpoint_hook
    from mmengine.runner import CheckpointLoader, checkpoint

    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    _in_force['mmengine checkpoints'] = (
        'local checkpoints are read as plain data, whatever the default of torch.load is '
        '(open-mmlab/mmengine#1655)'
    )
    checkpoint_hook.FileClient = checkpoint.FileClient = _FileClient
    _in_force['mmengine file client'] = (
        'a deprecated file client, which warns twice, is made for checkpoints only where a config '
        'asks for one (open-mmlab/mmengine#533 keeps it for those)'
    )


class _FileClient:
    """The one entry to MMEngine's ``FileClient`` that its writing of checkpoints uses."""

    @staticmethod
    def infer_client(file_client_args: dict[str, Any] | None = None, uri: Any = None) -> Any:
        """Make the client that is asked for; none, which is then not used either, otherwise."""
        if file_client_args is None:
            return None
        from mmengine.fileio import FileClient

        return FileClient.infer_client(file_client_args, uri)


def load_from_local(filename: str, map_location: Any = 'cpu') -> Any:
    """Read a local checkpoint wherever MMEngine would: plain content, or an error that says why.

    MMEngine prints the end of this function's name.

    Raises:
        FileNotFoundError: There is none.
        ArchiveError: Damaged, or holding what could run code or fill the memory.
    """
    from .archives import read_plain

    return read_plain(Path(filename).expanduser(), map_location)


# ---------------------------------------------------------------------- writing configs


class _Once:
    """MMEngine's ``FormatCode``, which keeps what it formatted last.

    A Runner has its config formatted as Python some five times, and again at each checkpoint; yapf
    takes a second or two each time.
    """

    def __init__(self, format_code: Callable[..., tuple[str, bool]]) -> None:
        self.format_code = format_code
        self.asked: tuple[str, str] | None = None
        self.given = ('', False)

    def __call__(self, text: str, **options: Any) -> tuple[str, bool]:
        if self.asked != (text, repr(options)):
            self.given = self.format_code(text, **options)
            self.asked = text, repr(options)
        return self.given


def format_config_once() -> None:
    """Keep the text of a config while the config stays; further calls do nothing more."""
    from mmengine.config import config

    if not isinstance(config.FormatCode, _Once):
        config.FormatCode = _Once(config.FormatCode)
    _in_force['mmengine config text'] = (
        'the text of a config is formatted once, not at every use (open-mmlab/mmcv#2466)'
    )


# ---------------------------------------------------------------------- reading configs


def quote_config_paths() -> None:
    """Let a config lie in a folder whose name has a quote; further calls do nothing more.

    MMEngine pastes the path of a config as it is between the quotes that stand around
    ``{{ fileDirname }}`` there.
    """
    from mmengine.config import Config

    if 'mmengine config paths' in _in_force:
        return
    Config._substitute_predefined_vars = staticmethod(_substitute_quoted)
    _in_force['mmengine config paths'] = (
        'quotes in the path of a config are escaped where the config names it '
        '(open-mmlab/mmcv#348 substitutes it as plain text)'
    )


def _substitute_quoted(filename: str, temp_config_name: str) -> None:
    path = Path(filename)
    values = {
        'fileDirname': str(path.parent),
        'fileBasename': path.name,
        'fileBasenameNoExtension': path.stem,
        'fileExtname': path.suffix,
    }
    text = path.read_text(encoding='utf-8')
    for key, value in values.items():
        escaped = re.sub(r'([\\\'"])', r'\\\1', value) if path.suffix == '.py' else value
        # In a replacement a backslash stands for itself only if doubled.
        text = re.sub(r'\{\{\s*' + key + r'\s*\}\}', escaped.replace('\\', r'\\'), text)
    Path(temp_config_name).write_text(text, encoding='utf-8')

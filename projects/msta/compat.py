"""Work-arounds that make the pinned OpenMMLab packages import on current PyTorch.

Importing this module mends nothing; :func:`apply` does, and ``import projects.msta.register`` calls
it first. A work-around is applied only where its fault is present, changes nothing elsewhere, and
names the upstream report that will make it superfluous. :func:`in_force` lists the applied ones.

Faults that show later than at import are mended where they belong: checkpoints that do not load
with ``weights_only=True`` in ``engine/checkpoints.py``, bfloat16 on a CPU in ``engine/optim.py``,
transforms in ``datasets``.
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

_in_force: dict[str, str] = {}
# An operator's schema lives as long as the library object that declared it.
_libraries: list[Any] = []


def in_force() -> dict[str, str]:
    """Give the work-arounds applied in this process, as name -> reason with its upstream report."""
    return dict(_in_force)


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
    """Stands for the localizer ``DRN``, which the installed mmaction2 does not contain."""

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

"""Say what is installed, what is wrong with it, and the command that fixes it.

The exit status is 1 if something is broken.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ..paths import CONFIGS, ROOT
from .common import make_main, make_parser

# Nothing but the standard library is used before the packages it reports on are tried out, so that
# it also runs where the installation is broken.
REQUIREMENTS = ROOT / 'requirements.txt'
INSTALL = 'pip install -r requirements.txt'
_REINSTALL = 'pip install --force-reinstall --no-deps av opencv-python opencv-contrib-python'

# Packages that another one may stand for: the same modules, the same version.
_ALTERNATIVES = {'mmcv-lite': 'mmcv'}
_LABELS = {'ok': ' ok ', 'note': 'note', 'broken': 'BAD '}


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``state`` is 'ok', 'note' (works without) or 'broken'."""

    state: str
    text: str
    remedy: str = ''

    def __str__(self) -> str:
        remedy = f'\n         -> {self.remedy}' if self.remedy else ''
        return f'  [{_LABELS[self.state]}] {self.text}{remedy}'


parser = make_parser(__doc__)
parser.add_argument(
    'configs', nargs='*', help='configs whose foundation weights are looked for (all)'
)


def report(configs: Sequence[str | Path] = (), write: Callable[[str], object] = print) -> bool:
    """Examine the installation, writing as it goes; give whether nothing is broken.

    Args:
        configs: Config files whose foundation weights are looked for; by default the project's.
        write: Takes each line.
    """
    sections: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ('Python and packages', lambda: check_packages(REQUIREMENTS)),
        ('Imports and work-arounds', check_imports),
        ('Device', check_device),
        ('Video', check_video),
        ('Foundation weights', lambda: check_weights(configs)),
    ]
    broken = 0
    for title, check in sections:
        write(title)
        try:
            for finding in check():
                write(str(finding))
                broken += finding.state == 'broken'
        except Exception as error:  # the rest of the report is worth more than this stack trace
            write(str(Finding('broken', f'{type(error).__name__}: {error}', INSTALL)))
            broken += 1
    write(f'{broken} broken; what is marked BAD comes first' if broken else 'all in order')
    return not broken


def check_packages(requirements: Path) -> Iterator[Finding]:
    """Compare the installed versions with the pins of a requirements file."""
    python = platform.python_version()
    if sys.version_info[:2] == (3, 11):
        yield Finding('ok', f'Python {python}')
    else:
        yield Finding('note', f'Python {python}: the pins were tried with 3.11 only')
    from packaging.requirements import InvalidRequirement, Requirement

    good = []
    for line in requirements.read_text(encoding='utf-8').splitlines():
        try:
            wanted = Requirement(line.partition('#')[0].strip())
        except InvalidRequirement:  # an empty line, a comment, an option of pip
            continue
        name, pins = wanted.name, wanted.specifier
        found = _version(name) or _version(_ALTERNATIVES.get(name, ''))
        if found is None:
            yield Finding('broken', f'{name} is not installed (wanted {pins})', INSTALL)
        elif not pins.contains(found, prereleases=True):
            remedy = f"pip install '{name}{pins}'"
            yield Finding('broken', f'{name} {found} (wanted {pins})', remedy)
        else:
            good.append(f'{name} {found}')
    if good:
        yield Finding('ok', ', '.join(good))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name) if name else None
    except metadata.PackageNotFoundError:
        return None


def check_imports() -> Iterator[Finding]:
    """Import what training imports; list the work-arounds that made it possible."""
    from .. import compat

    try:
        importlib.import_module('projects.msta.register')
    except Exception as error:  # any failure of any package is what is looked for
        yield Finding('broken', f'import fails: {type(error).__name__}: {error}', INSTALL)
        return
    yield Finding('ok', 'every part of the project imports')
    for name, reason in compat.in_force().items():
        yield Finding('ok', f'work-around "{name}": {reason}')


def check_device() -> Iterator[Finding]:
    """Say what the model will run on."""
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            yield Finding('ok', f'GPU {index}: {facts.name}, {facts.total_memory / 2**30:.0f} GiB')
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    yield Finding('ok', f'no GPU in use: {cores} CPU cores, {torch.get_num_threads()} threads')
    if shutil.which('nvidia-smi'):
        kind = 'was built without CUDA' if torch.version.cuda is None else 'cannot use its driver'
        yield Finding(
            'note',
            f'this machine has an NVIDIA driver, but torch {torch.__version__} {kind}',
            'install the CUDA build of the same version, as pytorch.org/get-started says',
        )


def check_video() -> Iterator[Finding]:
    """Write a clip, read it back as training does, and compare."""
    import av
    import numpy as np

    from ..datasets.decoding import VideoDecodeError, close_process
    from ..datasets.readers import IsolatedReader
    from ..datasets.shapes.folder import write_video

    levels = np.arange(0, 240, 20, dtype=np.uint8)
    frames = np.tile(levels[:, None, None, None], (1, 48, 64, 3))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'clip.mp4'
        try:
            write_video(path, frames)
            reader = IsolatedReader(str(path))
            read = reader.get_batch(range(len(reader))).asnumpy()
        except (RuntimeError, VideoDecodeError) as error:
            yield Finding('broken', f'a generated mp4 cannot be read: {error}', _REINSTALL)
            return
        finally:
            close_process()
    # The codec loses a few grey levels at most on flat frames.
    if read.shape == frames.shape and np.allclose(read.mean((1, 2, 3)), levels, atol=6):
        yield Finding('ok', f'PyAV {av.__version__} decodes a generated mp4 ({len(read)} frames)')
    else:
        text = f'PyAV gave {read.shape} for {frames.shape}, or other colours'
        yield Finding('broken', text, _REINSTALL)


def check_weights(configs: Sequence[str | Path] = ()) -> Iterator[Finding]:
    """Look for the weights that the configs name, and say where to get those missing."""
    from ..foundation.weights import FOUNDATION_DIR, KNOWN_WEIGHTS, TINY_SHAPES
    from ..training.config import read_config

    users: dict[Path, list[str]] = defaultdict(list)
    for config in configs or sorted(CONFIGS.glob('*.py')):
        model = read_config(config).get('model') or {}
        checkpoint = model.get('backbone', {}).get('foundation', {}).get('checkpoint')
        if checkpoint:
            users[Path(os.path.normpath(ROOT / checkpoint))].append(Path(config).name)
    known = {FOUNDATION_DIR / info.file: info for info in KNOWN_WEIGHTS.values()}
    for path in dict.fromkeys([TINY_SHAPES, *known, *users]):
        shown = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
        used = f' (used by {", ".join(users[path])})' if path in users else ''
        if path.exists():
            kind = _kind(path)
            if kind is None:
                text = f'{shown} is cut off or no PyTorch file{used}'
                yield Finding('broken', text, 'download it again')
            else:
                yield Finding('ok', f'{shown}{kind}{used}')
        elif path == TINY_SHAPES:
            text = f'{shown}, part of the project, is missing'
            yield Finding('broken', text, f'git checkout -- {shown}')
        elif path in known:
            info = known[path]
            source = f'{info.source}; licence: {info.licence}'
            yield Finding('note', f'{shown} is not here{used}: {info.note}', source)
        else:
            yield Finding('note', f'{shown} is not here{used}', 'put it there, or change it')


def _kind(path: Path) -> str | None:
    """What a file of weights is, for a message; None where it cannot be read."""
    if path.is_dir():
        return ''
    if path.suffix == '.safetensors' or zipfile.is_zipfile(path):
        return f', {path.stat().st_size / 2**20:.0f} MiB'
    # Files from before PyTorch 1.6 are not archives, and begin with a pickle's first byte.
    with path.open('rb') as file:
        return ', an old format' if file.read(1) == b'\x80' else None


main = make_main(parser, lambda args: int(not report(args.configs)))

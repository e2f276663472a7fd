"""Label files of every kind, read by the function and through the tools: what the user sees."""

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from projects.msta.commands import infer as infer_tool
from projects.msta.commands import test as test_tool
from projects.msta.labels import LabelError, read_labels
from projects.msta.tokenizer import PromptWarning
from tests.videos import write_mp4

THREE = 'run\nride a bike\ncafé\n'

# kind -> (content of the file, None for a folder; number of names, or what the error says)
KINDS: dict[str, tuple[bytes | None, int | str]] = {
    'UTF-8': (THREE.encode(), 3),
    'BOM': (THREE.encode('utf-8-sig'), 3),
    'CRLF': (THREE.replace('\n', '\r\n').encode(), 3),
    'CR': (THREE.replace('\n', '\r').encode(), 3),
    'BOM and CRLF, ids': ('id,name\r\n1,run\r\n0,café\r\n2,"a, b"\r\n'.encode('utf-8-sig'), 3),
    'emoji': ('🏃‍♀️ run\n🚴🏽\n👩‍👩‍👧‍👦\n'.encode(), 3),
    '1 class': (b'run\n', 1),
    '10,000 classes': (''.join(f'class {i}\n' for i in range(10_000)).encode(), 10_000),
    '10 kB names': (''.join(f'{w * 2000}\n' for w in ('run x', 'jump ', 'sit ab')).encode(), 3),
    'UTF-16': (THREE.encode('utf-16'), 'looks like UTF-16.*iconv -f UTF-16'),
    'UTF-16 without a mark': (THREE.encode('utf-16-le'), 'looks like UTF-16'),
    'Latin-1': (THREE.encode('latin-1'), '0xe9 in line 3 is not UTF-8.*iconv -f LATIN1'),
    '0 classes': (b'', 'has no class names'),
    'blank lines alone': (b'\n\n \n', 'has no class names'),
    'an empty name': (b'run\n\nwalk\n', 'line 2: empty class name'),
    'duplicates': (b'run\nwalk\nrun\n', "line 3: 'run' is already the name of line 1"),
    'duplicates of 10 kB': (b'ab' * 5000 + b'\n' + b'ab' * 5000, r'line 2: .*\(10000 characters\)'),
    'gaps in ids': (b'id,name\n0,run\n2,walk\n3,sit\n', 'the ids 0 to 2, but 1 is missing'),
    'an id twice': (b'0,run\n1,sit\n1,walk\n', 'line 3: id 1 was given before, in line 2'),
    'an id of 5,000 digits': (b'0,run\n' + b'9' * 5000 + b',sit\n', 'line 2.*whole number'),
    'NUL bytes': (b'run\nwa\x00lk\nsit\n', 'line 2.*control character'),
    'escape sequences': (b'run\n\x1b[31mred\x1b[0m\nsit\n', 'line 2.*control character'),
    'a folder': (None, 'is a folder, no label file'),
}
SOME = ('BOM and CRLF, ids', 'emoji', '1 class', '10 kB names', 'UTF-16', 'duplicates', 'a folder')
SEEN = 'the names; or a line with file, line and how to fix it, status 2'


def write(folder: Path, kind: str) -> Path:
    path = folder / 'labels.txt'
    content, _ = KINDS[kind]
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    return path


@pytest.fixture(scope='module')
def video(tmp_path_factory) -> Path:
    return write_mp4(tmp_path_factory.mktemp('video') / 'a.mp4')


def through_infer(labels: Path, experiment, video: Path) -> tuple[int, int]:
    """Exit status and number of classes that are told apart."""
    out = labels.with_name('results.json')
    usual = [video, '--config', experiment.fixed, '--labels', labels, '--out', out]
    status = infer_tool.main([*map(str, usual), '--topk', '20000'])
    return status, len(json.loads(out.read_text())[0]['topk']) if out.exists() else 0


def through_test(labels: Path, experiment, video: Path) -> tuple[int, int]:
    usual = [experiment.fixed, 'none', '--work-dir', labels.with_name('work'), '--cfg-options']
    status = test_tool.main([*map(str, usual), f'model.labels={labels}'])
    return status, len(read_labels(labels)) if status == 0 else 0


@pytest.mark.parametrize('kind', KINDS)
def test_read_labels(kind, chaos, tmp_path):
    _, expected = KINDS[kind]
    with chaos.attempt('label files: read_labels', 'the names, or a LabelError'):
        path = write(tmp_path, kind)
        if isinstance(expected, int):
            assert len(read_labels(path)) == expected
        else:
            with pytest.raises(LabelError, match=expected):
                read_labels(path)


@pytest.mark.parametrize('through', [through_infer, through_test])
def test_tools(through: Callable, chaos, experiment, video, tmp_path, capfd):
    tool = through.__name__.removeprefix('through_')
    for index, kind in enumerate(KINDS if chaos.full else SOME):
        folder = tmp_path / str(index)
        folder.mkdir()
        with chaos.attempt(f'label files: tools/{tool}.py', SEEN), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            expected = KINDS[kind][1]
            if tool == 'test' and isinstance(expected, int) and expected < 3:
                expected = '1 class'  # the list of the videos has three
            status, count = through(write(folder, kind), experiment, video)
            check(kind, status, count, ''.join(capfd.readouterr()), expected)


def check(kind: str, status: int, count: int, printed: str, expected: int | str) -> None:
    assert 'Traceback' not in printed, kind
    if isinstance(expected, int):
        assert (status, count) == (0, expected), f'{kind}: {printed[-1000:]}'
    else:
        assert status == 2 and count == 0, kind
        (error,) = re.findall(r'^error: .*', printed, re.M)
        assert re.search(expected, error), f'{kind}: {error}'
        assert len(error) < 1000


def test_names_that_the_text_model_cannot_tell_apart_are_named(chaos, experiment, video, tmp_path):
    with chaos.attempt('class names beyond the text model', 'a warning that names them'):
        path = tmp_path / 'labels.txt'
        path.write_text('Run\nrun\n' + 'jump ' * 2000 + '\n')
        with pytest.warns(PromptWarning) as caught:
            assert through_infer(path, experiment, video) == (0, 3)
        said = [str(warning.message) for warning in caught]
        assert any("'Run' and 'run'" in text and 'the same' in text for text in said)
        assert any('2006 tokens' in text and 'only their beginning' in text for text in said)

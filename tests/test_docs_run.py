"""The command lines and programs of the pages do what they say, from a user's own folder.

docs/data.md has a test of its own (``tests/datasets/test_docs.py``); ``adapt.py``, the protocols
and trainings are run by the tests of these.
"""

import re

import pytest
import torch
from mmaction.registry import MODELS

from projects.msta import register  # noqa: F401
from projects.msta.inference.recognizers import use_scope
from projects.msta.paths import ROOT
from projects.msta.training.config import read_config
from tests.test_docs import commands_of
from tests.videos import write_mp4

LABELS = ['a ring moving left', 'a bar blinking', 'a cross spinning']
# Beginnings of what needs weights, videos, a network or a browser that are not here.
ELSEWHERE = {
    'README': ['adapt.py', 'infer.py video.mp4 --config work', 'gen_', 'dist_', 'demo.py'],
    'inference': ['infer.py rtsp', 'demo_app.py'],
    'collections': ['collection.py list.txt --out labelled --labels labels.txt --engine ray'],
}


@pytest.fixture(scope='module')
def desk(tmp_path_factory):
    """A user's folder, with the files that the pages name."""
    folder = tmp_path_factory.mktemp('desk')
    names = ['clip', 'video', 'other', 'match', 'videos/a', 'videos/b', 'videos/c', 'more/d']
    for seed, name in enumerate([*names, 'others/e']):
        (folder / name).parent.mkdir(exist_ok=True)
        write_mp4(folder / f'{name}.mp4', num_frames=45, seed=seed)
    (folder / 'labels.txt').write_text('\n'.join(LABELS))
    (folder / 'other.txt').write_text('sitting\nstanding')
    (folder / 'val.txt').write_text('a.mp4 0\nb.mp4 1\nc.mp4 2\n')
    (folder / 'list.txt').write_text('clip.mp4\nvideo.mp4\n')
    use_scope()
    cfg = read_config('msta_tiny_shapes').model
    cfg.update(labels=LABELS, descriptions=None)
    model = MODELS.build(cfg)
    model.init_weights()
    for name in ('adapters', 'one', 'two', 'three'):
        for parameter in model.backbone.adapter.parameters():
            torch.nn.init.normal_(parameter, std=0.02)
        torch.save({'state_dict': model.state_dict(), 'meta': {}}, folder / f'{name}.pth')
    return folder


def for_the_desk(text: str) -> str:
    """A line of a page, on the model that is here and on few names."""
    return text.replace('msta_vitb16_k400', 'msta_tiny_shapes').replace('ucf101', 'labels.txt')


@pytest.mark.parametrize('page', ['README', 'inference', 'collections'])
def test_the_commands_do_what_they_say(page, desk, run, monkeypatch):
    monkeypatch.chdir(desk)
    if page == 'collections':
        pytest.importorskip('pyarrow')
    failed, done = [], 0
    path = ROOT / ('README.md' if page == 'README' else f'docs/{page}.md')
    for tool, given in commands_of(path):
        line = ' '.join([tool, *given])
        if line.startswith(tuple(ELSEWHERE[page])):
            continue
        status, out, error = run(tool, *map(for_the_desk, given))
        done += 1
        differ = status == 1 and 'diff' in given  # as of the program diff
        if (status and not differ) or 'Traceback' in error:
            failed.append(f'{line}: {status}\n{out[-500:]}{error[-2000:]}')
        written = re.findall(r'--(?:out|video-out|plot-out) (\S+)', line)
        failed += [f'{line}: no {name}' for name in written if not (desk / name).exists()]
    assert not failed, '\n'.join(failed)
    assert done >= {'README': 2, 'inference': 13, 'collections': 3}[page]


@pytest.mark.parametrize('page', ['README.md', 'docs/inference.md'])
def test_the_python_runs(page, desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / page).read_text(encoding='utf-8'), re.S)
    frames = torch.zeros(9, 32, 32, 3, dtype=torch.uint8)
    (program,) = [block for block in blocks if 'MSTAInferencer' in block]
    exec(compile(for_the_desk(program), page, 'exec'), {'frames': frames})
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 and not any('not found' in row for row in rows)

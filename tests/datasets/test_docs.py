"""Every command of docs/data.md, on small files in the form of the official ones."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from projects.msta.datasets.lists.published import PUBLISHED
from projects.msta.labels import read_labels
from projects.msta.protocols.definitions import DATASETS, PROTOCOLS, cells
from tests.commands.test_make_splits import publish
from tests.videos import write_mp4

ROOT = Path(__file__).resolve().parents[2]


def commands() -> list[list[str]]:
    blocks = re.findall(r'```sh\n(.*?)```', (ROOT / 'docs' / 'data.md').read_text(), re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('user')
    (root / 'tools').symlink_to(ROOT / 'tools')
    for index, name in enumerate(('riding a bike', 'juggling') * 3):
        folder = root / 'data' / 'mine' / 'videos' / name
        folder.mkdir(parents=True, exist_ok=True)
        write_mp4(folder / f'clip {index}.mp4', num_frames=4, seed=index)
    _kinetics(root / 'data' / 'kinetics400', 'kinetics400', ('train', 'val'))
    _kinetics(root / 'data' / 'kinetics600', 'kinetics600', ('train', 'val'))
    _ucf101(root / 'data' / 'ucf101' / 'ucfTrainTestlist')
    _hmdb51(root / 'data' / 'hmdb51' / 'testTrainMulti_7030_splits')
    _ssv2(root / 'data' / 'ssv2')
    _activitynet(root / 'data' / 'activitynet')
    for name, entry in PUBLISHED.items():
        publish(root / 'data' / 'vificlip', name, entry.shots or 1)
    for index, label in enumerate(read_labels('hmdb51_base') + read_labels('hmdb51')):
        folder = root / 'data' / 'hmdb51' / 'videos' / label.replace(' ', '_')
        folder.mkdir(parents=True, exist_ok=True)
        for k in (0, 1):
            (folder / f'v_{index if index < 26 else index - 26}_{k}.avi').touch()
    return root


def _kinetics(folder: Path, labels: str, parts: tuple[str, ...]) -> None:
    folder.mkdir(parents=True)
    for part in parts:
        rows = ['label,youtube_id,time_start,time_end,split']
        for c, name in enumerate(read_labels(labels)):
            rows += [f'"{name}",id{c:05d}_{i:03d},0,10,{part}' for i in range(16)]
        (folder / f'{part}.csv').write_text('\n'.join(rows))


def _ucf101(folder: Path) -> None:
    folder.mkdir(parents=True)
    names = read_labels('ucf101')
    for split in (1, 2, 3):
        for part, groups in (('train', range(8, 24)), ('test', range(1, 3))):
            lines = [f'{n}/v_{n}_g{g:02d}_c01.avi 1' for n in names for g in groups]
            (folder / f'{part}list{split:02d}.txt').write_text('\n'.join(lines))


def _hmdb51(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in read_labels('hmdb51'):
        for split in (1, 2, 3):
            lines = [f'{name} {i}.avi {1 if i < 16 else 2} ' for i in range(18)]
            path = folder / f'{name.replace(" ", "_")}_test_split{split}.txt'
            path.write_text('\n'.join(lines))


def _ssv2(folder: Path) -> None:
    folder.mkdir(parents=True)
    for part, count in (('train', 16), ('validation', 1)):
        items = [
            {'id': f'{part}{c}_{i}', 'template': name.replace('something', '[something]')}
            for c, name in enumerate(read_labels('ssv2'))
            for i in range(count)
        ]
        (folder / f'{part}.json').write_text(json.dumps(items))


def _activitynet(folder: Path) -> None:
    folder.mkdir(parents=True)
    annotations = [{'segment': [0, 4], 'label': 'Archery'}]
    database = {
        'a1': {'subset': 'training', 'annotations': annotations},
        'b2': {'subset': 'validation', 'annotations': annotations},
    }
    (folder / 'activity_net.v1-3.min.json').write_text(json.dumps({'database': database}))


@pytest.fixture(scope='module')
def done(data) -> list[subprocess.CompletedProcess[str]]:
    """The commands, run as they stand and in their order."""
    return [
        subprocess.run(
            [sys.executable, *command[1:]], capture_output=True, text=True, check=False, cwd=data
        )
        for command in commands()
    ]


def test_the_commands_work_as_they_stand(done):
    assert len(done) > 15
    assert all(command[0] == 'python' for command in commands())
    failed = [f'{run.args}\n{run.stdout}{run.stderr}' for run in done if run.returncode]
    assert not failed, failed


def test_configs_find_the_lists_that_the_commands_write(data, done):
    """Names of lists in the protocols and in docs/data.md hold together."""
    wanted = set()
    for protocol in PROTOCOLS:
        for dataset in set(DATASETS[protocol]) - {'shapes'}:
            source = {'zero_shot': 'kinetics400'}.get(protocol, dataset)
            for cell in cells(protocol, dataset, (1,)):
                lists = [(source, cell.train), *((dataset, one) for one in cell.tests.values())]
                for folder, one in lists:
                    files = [one.videos, *filter(None, [one.labels])]
                    wanted |= {f'{folder}/{file}' for file in files if file.endswith('.txt')}
    assert len(wanted) > 20
    missing = sorted(name for name in wanted if not (data / 'data' / name).is_file())
    assert not missing

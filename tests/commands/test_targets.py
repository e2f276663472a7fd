"""A file that cannot be written is said before the work, by every command that writes one."""

from pathlib import Path

import pytest

WORK = {
    'infer.py': 'x.mp4 --out {}.json',
    'infer.py ': 'x.mp4 --video-out {}.mp4',
    'infer.py  ': 'x.mp4 --plot-out {}.png',
    'calibrate.py': 'x --out {}.json',
    'visualize.py': 'map x --out {}.png',
    'data/check.py': 'x.txt --report {}.json',
    'data/check.py ': 'x.txt --skip-list {}.txt',
    'test.py': 'msta_tiny_shapes none --dump {}.pkl',
    'benchmark.py': '--out {}.json',
}


@pytest.mark.parametrize('tool', WORK)
def test_it_is_one_line_and_nothing_is_begun(run, tmp_path, tool):
    (tmp_path / 'file').touch()  # no permission keeps root from writing, but a file is no folder
    for place in (tmp_path / 'file', Path('/proc')):
        given = WORK[tool].format(place / 'out').split()
        status, out, error = run(tool.strip(), *given)
        assert status == 2 and not out
        assert error.startswith(f'error: {place}/out.') and error.count('\n') == 1
        assert f'the folder {place} ' in error
    assert [path.name for path in tmp_path.iterdir()] == ['file']

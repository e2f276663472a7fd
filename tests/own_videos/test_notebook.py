"""The notebook runs. ``python -m tests.own_videos.test_notebook`` runs it and keeps its outputs."""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from projects.msta.paths import ROOT

PAGE = ROOT / 'docs' / 'own_videos.ipynb'


def run(folder: Path) -> nbformat.NotebookNode:
    """Run the notebook afresh in a folder; an error in a cell is raised."""
    page = nbformat.read(PAGE, as_version=4)
    os.environ |= {'PYTHONPATH': str(ROOT), 'IPYTHONDIR': str(folder), 'TMPDIR': str(folder)}
    NotebookClient(page, timeout=120, resources={'metadata': {'path': str(folder)}}).execute()
    return page


def texts(page):
    return [''.join(o.get('text', '') for o in c.outputs) for c in page.cells if 'outputs' in c]


def test_the_notebook_runs_and_shows_frames_and_figures(tmp_path, monkeypatch):
    for name in ('PYTHONPATH', 'IPYTHONDIR', 'TMPDIR'):
        monkeypatch.setenv(name, '')  # put back afterwards
    page = run(tmp_path)
    printed = '\n'.join(texts(page))
    assert 'frozen ' in printed and 'adapted ' in printed and 'held out' in printed
    outputs = [output for cell in page.cells for output in cell.get('outputs', ())]
    assert sum('image/png' in output.get('data', {}) for output in outputs) >= 5


def test_the_committed_page_is_small_and_was_run():
    page = nbformat.read(PAGE, as_version=4)
    cells = [cell for cell in page.cells if cell.cell_type == 'code']
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert PAGE.stat().st_size < 300_000


if __name__ == '__main__':
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        made = run(Path(place))
        print(*texts(made), sep='\n', file=sys.stderr)
        for cell in made.cells:
            cell.metadata = {}
            if 'outputs' in cell:  # bars and warnings of libraries are not worth keeping
                cell.outputs = [o for o in cell.outputs if o.get('name') != 'stderr']
        made.metadata.pop('language_info', None)
        nbformat.write(made, PAGE)

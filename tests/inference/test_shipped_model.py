"""What runs without a download: the shipped model on videos of the Shapes world."""

from pathlib import Path

from projects.msta.apis import MSTAInferencer
from projects.msta.commands.demo_app import make_examples


def test_the_shipped_model_names_what_it_sees(tmp_path):
    paths, names = make_examples(tmp_path, 8)
    with MSTAInferencer(labels=names, device='cpu') as inferencer:
        answers = [result.label for result in inferencer(paths)]
    right = sum(Path(p).stem.replace('_', ' ') == a for p, a in zip(paths, answers, strict=True))
    assert right >= 7

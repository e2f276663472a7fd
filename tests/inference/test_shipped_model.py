"""What runs without a download: the shipped model on videos of the Shapes world."""

from projects.msta.apis import MSTAInferencer
from projects.msta.inference.page_app import make_examples


def test_the_shipped_model_names_what_it_sees(tmp_path):
    examples = make_examples(tmp_path, 8)[:8]
    with MSTAInferencer(labels=[e.name for e in examples], device='cpu') as inferencer:
        answers = [result.label for result in inferencer([e.path for e in examples])]
    right = sum(e.name == answer for e, answer in zip(examples, answers, strict=True))
    assert right >= 7

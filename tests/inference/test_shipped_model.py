"""What runs without a download: the shipped model on videos of the Shapes world."""

from projects.msta.apis import MSTAInferencer
from projects.msta.inference.page_app import make_examples


def test_the_shipped_model_names_what_it_sees(tmp_path):
    examples = make_examples(tmp_path, 8)[:8]  # the last one shows several actions
    with MSTAInferencer(labels=examples[0].labels, device='cpu') as inferencer:
        answers = [r.label for r in inferencer([example.path for example in examples])]
    right = sum(e.name == answer for e, answer in zip(examples, answers, strict=True))
    assert right >= 7

"""The owner of classes: targets that follow the labels, several templates, what is kept."""

import json
import warnings

import pytest
import torch

from projects.msta.descriptions import DescriptionError, Descriptions, write_descriptions
from projects.msta.foundation import load_foundation
from projects.msta.tokenizer import PromptWarning
from tests.foundation.references import Siglip
from tests.models.conftest import LABELS


@pytest.fixture
def pair(tmp_path):
    """The published form: entries by class index."""
    paths = [tmp_path / f'2_{letter}_description.json' for letter in 'st']
    for path in paths:
        entries = {str(i): [f'{path.name[2]} one {n}', f'two {n}'] for i, n in enumerate(LABELS)}
        path.write_text(json.dumps(entries))
    return [str(path) for path in paths]


def loss_of(model):
    with torch.no_grad():
        targets = model._consistency_targets()
        return model.cls_head.consistency(model.encode_classes(), targets).item()


def ready(build, **changes):
    model = build(**changes)
    model.init_weights()
    return model.eval()


def test_targets_follow_the_labels(build, pair):
    """The same classes in another order have the same loss, and fewer have their own texts."""
    model = ready(build, descriptions=pair)
    straight = loss_of(model)
    by_name = dict(zip(LABELS, model._consistency_targets()['spatial'], strict=True))
    model.set_labels(LABELS[::-1])
    assert loss_of(model) == pytest.approx(straight, abs=1e-6)
    model.set_labels(['eating', 'swimming'])
    found = model._consistency_targets()['spatial']
    torch.testing.assert_close(found, torch.stack([by_name['eating'], by_name['swimming']]))
    assert loss_of(model) > 0


def test_labels_without_texts_are_named(build, pair, tmp_path):
    model = ready(build, descriptions=pair)
    model.set_labels(['knitting', 'swimming'])
    with pytest.raises(DescriptionError, match='knitting'):
        model._consistency_targets()
    names = [*LABELS, 'knitting']
    texts = [[f'one {name}', f'two {name}'] for name in names]
    written = Descriptions(names=names, spatial=texts, temporal=texts)
    write_descriptions(tmp_path / 'all.json', written)
    model = ready(build, descriptions=str(tmp_path / 'all.json'))
    model.set_labels(['knitting', 'swimming'])  # one file goes by name, and holds it
    assert model._consistency_targets()['spatial'].shape == (2, 24)
    with torch.no_grad():
        embeds = model.classes.frozen_texts(['one knitting', 'two knitting'])
    mean = torch.nn.functional.normalize(embeds, dim=-1).mean(0)
    torch.testing.assert_close(model._consistency_targets()['spatial'][0], mean)


def test_training_goes_on_with_other_labels(build, batch, pair):
    from mmengine.optim import OptimWrapper

    model = ready(build, descriptions=pair)
    loss_of(model)
    model.set_labels(['eating', 'swimming', 'brushing hair'])
    for sample, label in zip(batch['data_samples'], (0, 2), strict=True):
        sample.set_gt_label(label)
    trained = [p for p in model.parameters() if p.requires_grad]
    losses = model.train().train_step(batch, OptimWrapper(torch.optim.SGD(trained, lr=0.1)))
    assert losses['loss_consistency'] > 0


def test_prompts_are_warned_of_once(build):
    model = build()
    with pytest.warns(PromptWarning, match='same to the text model') as caught:
        model.set_labels(['Swimming', 'swimming'])
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model.set_labels(LABELS)


def test_warnings_count_by_the_tokenizer_of_the_weights(build, tmp_path):
    """It comes later than the labels: nothing is counted before it, and all once after."""
    Siglip().save(tmp_path)
    arch = vars(load_foundation(tmp_path).arch)
    foundation = {
        'type': 'SigLIP',
        'arch': {name: value for name, value in arch.items() if name != 'kind'},
        'checkpoint': str(tmp_path),
    }
    with warnings.catch_warnings():
        warnings.simplefilter('error', PromptWarning)
        model = build(
            backbone={'foundation': foundation},
            cls_head={'type': 'ConsistencyHead', 'alpha': 0.0},
            # CLIP has a token for each comma, and is not the one to count.
            labels=['swimming c' + ',' * 9, 'Swimming, c!', 'a ' * 9],
        )
    model.init_weights()
    with pytest.warns(PromptWarning) as caught:
        model.eval().encode_classes()
    assert len(caught) == 2
    assert '1 class names take more than the 12 tokens' in str(caught[0].message)
    assert "and 'Swimming, c!'" in str(caught[1].message)


def test_templates_are_averaged_in_training_too(build):
    model = build(template=['a video of {}.', 'someone is {}.'])
    model.train()
    classes = model.encode_classes()
    assert classes.requires_grad
    with torch.no_grad():
        parts = [
            model.classes.texts([template.format(name) for name in LABELS])
            for template in model.templates
        ]
    expected = sum(torch.nn.functional.normalize(part, dim=-1) for part in parts) / 2
    torch.testing.assert_close(classes.detach(), expected, atol=1e-6, rtol=1e-5)


def test_what_inference_kept_can_be_trained_on(build, batch):
    from mmengine.optim import OptimWrapper

    model = build()
    with torch.inference_mode():
        model.eval().encode_classes()
    trained = [p for p in model.parameters() if p.requires_grad]
    losses = model.train().train_step(batch, OptimWrapper(torch.optim.SGD(trained, lr=0.1)))
    assert torch.isfinite(losses['loss'])


def test_without_labels_a_model_waits_for_a_checkpoint(build):
    model = build(labels=None)
    with pytest.raises(ValueError, match='no labels'):
        model.encode_classes()
    model.load_state_dict(build(seed=0, template='watch {}.').state_dict())
    assert model.labels == LABELS and model.templates == ['watch {}.']
    told = build(labels=['a', 'b'], template='see {}.')
    with pytest.warns(UserWarning, match=r"trained with the prompt 'watch \{\}\.'.*'see \{\}\.'"):
        told.load_state_dict(build(seed=0, template='watch {}.').state_dict())
    assert told.labels == ['a', 'b'] and told.templates == ['see {}.']

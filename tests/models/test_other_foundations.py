"""A recognizer on Perception Encoder and on SigLIP reads, trains, saves and resumes."""

import json
import shutil

import pytest
import torch
import torch.nn.functional as F

from projects.msta.foundation import FoundationError, load_foundation
from projects.msta.inference.export_graphs import ExportError, make_graphs
from projects.msta.models import CheckpointError
from tests.foundation.references import Siglip
from tests.foundation.test_perception import GOLDEN
from tests.models.conftest import LABELS

CASES = ('PerceptionEncoder', 'SigLIP')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Weight files by kind, and how a config names them."""
    folder = tmp_path_factory.mktemp('weights')
    golden = torch.load(GOLDEN, weights_only=True)
    torch.save(golden['state_dict'], folder / 'pe.pt')
    (folder / 'siglip').mkdir()
    Siglip(vision={'image_size': 16}).save(folder / 'siglip')
    config = folder / 'siglip' / 'preprocessor_config.json'
    config.write_text(config.read_text().replace('32', '16'))
    found = {}
    for kind, path, facts in (
        ('PerceptionEncoder', folder / 'pe.pt', {'heads': 2, 'text_heads': 2}),
        ('SigLIP', folder / 'siglip', {}),
    ):
        arch = load_foundation(path, **facts).arch
        fields = {n: getattr(arch, n) for n in arch.__dataclass_fields__ if n != 'kind'}
        found[kind] = {'type': kind, 'arch': fields, 'checkpoint': str(path)}
    return found


@pytest.fixture(params=CASES)
def make(request, build, weights):
    def made(**adapter):
        config = {'type': 'MSTAAdapter', 'blocks': (2, 3), 'dim': 8, 'scale': 0.1, **adapter}
        backbone = {'foundation': weights[request.param], 'adapter': config}
        model = build(backbone=backbone)
        model.init_weights()
        return model

    made.kind = request.param
    return made


def clips(model):
    size = model.backbone.foundation.arch.image_size
    generator = torch.Generator().manual_seed(7)
    return torch.randn(2, 3, 4, size, size, generator=generator)


@torch.no_grad()
def test_classes_are_the_foundations_own_texts(make):
    model = make().eval()
    foundation = model.backbone.foundation
    model.backbone.adapter.text.clear()
    expected = foundation.encode_text(
        foundation.tokenize([f'a video of {label}.' for label in LABELS])
    )
    assert torch.allclose(model.encode_classes(), expected, atol=1e-5)


def test_a_step_trains_the_adapters_alone_and_resumes(make, tmp_path):
    model = make().train()
    video = clips(model)
    before = {k: v.clone() for k, v in model.backbone.foundation.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    cosine = F.normalize(model.backbone.encode_video(video), dim=-1) @ F.normalize(
        model.encode_classes(), dim=-1
    ).T  # fmt: skip
    F.cross_entropy(10 * cosine, torch.tensor([0, 3])).backward()
    silent = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not silent
    optimizer.step()
    now = model.backbone.foundation.state_dict()
    assert all(torch.equal(now[key], value) for key, value in before.items())
    torch.save(model.state_dict(), tmp_path / 'adapters.pth')
    other = make()
    other.load_state_dict(torch.load(tmp_path / 'adapters.pth', weights_only=True))
    with torch.no_grad():
        assert torch.equal(
            other.eval().backbone.encode_video(video), model.eval().backbone.encode_video(video)
        )
        assert torch.equal(other.encode_classes(), model.encode_classes())


@torch.no_grad()
@pytest.mark.parametrize('blocks', [(2, 3), (3, 3), (1, 1)])
def test_kept_features_give_what_clips_give(make, blocks):
    model = make(blocks=blocks).eval()
    video = clips(model)
    whole = model.backbone.encode_video(video)
    assert torch.equal(model.backbone.encode_video(model.backbone.video_state(video)), whole)
    frozen = model.backbone.foundation.encode_video(video)
    assert (whole - frozen).abs().max() > 1e-3


def test_adapters_of_another_tokenizer_are_refused(build, weights, tmp_path):
    foundation = weights['SigLIP']
    adapter = {'type': 'MSTAAdapter', 'blocks': (2, 3), 'dim': 8}
    model = build(backbone={'foundation': foundation, 'adapter': adapter})
    model.init_weights()
    state = model.state_dict()
    shutil.copytree(foundation['checkpoint'], tmp_path / 'other')
    path = tmp_path / 'other' / 'tokenizer.json'
    content = json.loads(path.read_text())
    vocabulary = content['model']['vocab']
    vocabulary['a'], vocabulary['of'] = vocabulary['of'], vocabulary['a']
    path.write_text(json.dumps(content))
    other = build(
        backbone={
            'foundation': {**foundation, 'checkpoint': str(tmp_path / 'other')},
            'adapter': adapter,
        }
    )
    with pytest.raises(CheckpointError, match='another foundation'):
        other.load_state_dict(state)


def test_without_weights_texts_are_not_cut_by_another_tokenizer(build, weights):
    foundation = {**weights['SigLIP'], 'checkpoint': None}
    model = build(backbone={'foundation': foundation})
    with pytest.raises(FoundationError, match='comes with its weights'):
        model.encode_classes()


def test_nothing_to_show_where_no_class_token_is_read(make):
    from projects.msta.inference.probes import cls_attention

    model = make().eval()
    clip = torch.zeros(3, 4, 16, 16, dtype=torch.uint8)
    with pytest.raises(ValueError, match='pooled from all tokens by attention'):
        cls_attention(model, clip)


def test_both_towers_are_exported(make, tmp_path):
    model = make().eval()
    arch = model.backbone.foundation.arch
    graphs = make_graphs(model, 4, arch.image_size, arch.context_length)
    for graph in graphs:
        assert graph.write_program(graph.trace(), tmp_path).largest < 1e-5
    if arch.causal:
        make_graphs(model, 4, arch.image_size, 8)
    else:
        with pytest.raises(ExportError, match='padding takes part'):
            make_graphs(model, 4, arch.image_size, 8)

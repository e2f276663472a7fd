"""model-index.yml and the metafile say what the configs say, and the published numbers."""

from pathlib import Path

import yaml

from projects.msta.protocols.published import LOGS, PAPER, PUBLISHED
from projects.msta.training.config import read_config

ROOT = Path(__file__).resolve().parents[2]
DATASETS = {
    'HMDB-51': 'hmdb51',
    'UCF-101': 'ucf101',
    'Something-Something V2': 'ssv2',
    'Kinetics-400': 'kinetics400',
    'Kinetics-600': 'kinetics600',
}
PROTOCOLS = {
    'Base-to-Novel Action Recognition': 'base2novel',
    'Few-Shot Action Recognition': 'few_shot',
    'Zero-Shot Action Recognition': 'zero_shot',
    'Action Recognition': 'supervised',
}


def models() -> list[dict]:
    found = []
    for name in yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']:
        content = yaml.safe_load((ROOT / name).read_text())
        collections = {collection['Name'] for collection in content['Collections']}
        assert all(model['In Collection'] in collections for model in content['Models'])
        found += content['Models']
    return found


def test_every_shipped_config_is_listed_once_under_its_name():
    listed = [model['Config'] for model in models()]
    shipped = [*ROOT.glob('configs/msta*.py'), *ROOT.glob('configs/[!_]*/*.py')]
    assert sorted(listed) == sorted(str(path.relative_to(ROOT)) for path in shipped)
    assert [model['Name'] for model in models()] == [Path(name).stem for name in listed]


def test_metadata_are_those_of_the_configs():
    wrong = []
    for model in models():
        cfg = read_config(ROOT / model['Config'])
        said = model['Metadata']
        kind = cfg.model.backbone.foundation.type
        tiny = not isinstance(cfg.model.backbone.foundation.arch, str)
        expected = {
            'Architecture': 'ViT-Tiny' if tiny else 'ViT-B/16',
            'Frame': cfg.test_dataloader.dataset.pipeline[1]['clip_len'],
        }
        if not tiny:
            assert cfg.model.backbone.foundation.arch == 'b16'
            expected['Pretrained'] = {'CLIP': 'CLIP', 'ViCLIP': 'ViCLIP (InternVid-10M-FLT)'}[kind]
        if cfg.get('train_dataloader') is not None:
            processes = 1 if tiny else int(said['Training Resources'].split()[0])
            expected['Batch Size'] = processes * cfg.train_dataloader.batch_size
            expected['Epochs'] = cfg.train_cfg.max_epochs
        wrong += [
            f'{model["Name"]}: {key} is {said.get(key)!r}, the config has {value!r}'
            for key, value in expected.items()
            if said.get(key) != value
        ]
    assert not wrong, '\n' + '\n'.join(wrong)


def test_results_are_the_published_ones():
    wrong = []
    for model in models():
        for result in model.get('Results', []):
            protocol, dataset = PROTOCOLS[result['Task']], DATASETS[result['Dataset']]
            published = PUBLISHED[protocol][dataset]
            if protocol == 'base2novel' and '-11e_' in model['Name']:  # the paper's recipe
                expected = {'Harmonic Mean': published[PAPER]['HM']}
            elif protocol == 'base2novel':
                logs = published[LOGS]
                expected = {
                    'Base Top 1 Accuracy': logs['base'],
                    'Novel Top 1 Accuracy': logs['novel'],
                    'Harmonic Mean': logs['HM'],
                }
            elif protocol == 'few_shot':
                shots = model['Name'].rsplit('-', 2)[1].replace('shot', '-shot')
                expected = {'Top 1 Accuracy': published[LOGS][shots]}
            elif protocol == 'zero_shot':
                expected = {'Top 1 Accuracy': published[PAPER]['mean']}
            else:
                top1, top5 = published[PAPER]['top-1'], published[PAPER]['top-5']
                expected = {'Top 1 Accuracy': top1, 'Top 5 Accuracy': top5}
            if result['Metrics'] != expected:
                wrong.append(f'{model["Name"]}: {result["Metrics"]}, published {expected}')
    assert not wrong, '\n' + '\n'.join(wrong)
    # Only ViCLIP has published results: of Kinetics-400 base-to-novel in two recipes.
    assert sum('Results' in model for model in models()) == 3 + 1 + 1 + 1


def test_headers_of_the_configs_claim_the_published_numbers():
    wrong = []
    for model in models():
        header = (ROOT / model['Config']).read_text().split('"""')[1]
        for result in model.get('Results', []):
            wrong += [
                f'{model["Config"]}: {value} is not in the header'
                for value in result['Metrics'].values()
                if str(value) not in header
            ]
    assert not wrong, '\n' + '\n'.join(wrong)

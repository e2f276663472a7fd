"""Misspelt configs: one line with the nearest valid name, exit status 2, nothing begun."""

import re

import pytest

from projects.msta.commands import infer as infer_tool
from projects.msta.commands import test as test_tool
from projects.msta.commands import train as train_tool

# what is appended to a good config -> what the error says
CONFIGS = {
    'train_dataloder = dict(batch_size=1)': "train_dataloder: .*'train_dataloader'",
    'optim_wraper = dict()': "optim_wraper: .*'optim_wrapper'",
    'lode_from = "x.pth"': "lode_from: .*'load_from'",
    "model['type'] = 'MSTARecogniser'": "no model is called 'MSTARecogniser' .*'MSTARecognizer'",
    "model['lables'] = ['a', 'b']": "model: MSTARecognizer takes no 'lables' .*'labels'",
    "model['backbone']['type'] = 'MSTABackbon'": "model.backbone: no model .*'MSTABackbone'",
    "model['backbone']['recompute_all'] = True": "takes no 'recompute_all' .*'recompute'",
    "model['backbone']['foundation']['type'] = 'VICLIP'": "'VICLIP' is not one .*'ViCLIP'",
    "model['backbone']['foundation']['type'] = 'Clip'": "'Clip' is not one .*'CLIP'",
    "model['backbone']['foundation']['arch'] = 'b_16'": "no preset .*'ViCLIP b16'",
    "model['backbone']['foundation']['arch']['layer'] = 2": "'layer'.*'layers'",
    "model['backbone']['foundation']['checkpont'] = 'x'": "'checkpont' is not a key .*'checkpoint'",
    "model['backbone']['adapter']['type'] = 'MSTAAdaptor'": "'MSTAAdaptor' .*'MSTAAdapter'",
    "model['backbone']['adapter']['type'] = 'lora'": "adapter type 'lora' .*'LoRA'",
    "model['backbone']['adapter']['dims'] = 8": "MSTAAdapter: takes no 'dims' .*'dim'",
    "model['cls_head']['alfa'] = 1.0": "ConsistencyHead takes no 'alfa' .*'alpha'",
    "model['cls_head']['type'] = 'ConsistancyHead'": "model.cls_head: no model .*'ConsistencyHead'",
    "pipeline[2]['type'] = 'DecordDecod'": r"pipeline.2: no transform .*'DecordDecode'",
    "pipeline[1]['cliplen'] = 4": "UniformSample takes no 'cliplen' .*'clip_len'",
    "pipeline[1]['tpye'] = pipeline[1].pop('type')": "a 'type' is needed",
    "videos['ann_fil'] = videos.pop('ann_file')": "VideoDataset takes no 'ann_fil' .*'ann_file'",
    "train_dataloader['num_worker'] = 1": "DataLoader takes no 'num_worker' .*'num_workers'",
    "train_dataloader['sampler']['type'] = 'Sampler'": "sampler: no data sampler .*Sampler'",
    "train_cfg['max_epoch'] = 4": "EpochBasedTrainLoop takes no 'max_epoch' .*'max_epochs'",
    "optim_wrapper['optimizer']['type'] = 'AdamWW'": "no optimizer is called .*'AdamW'",
    "optim_wrapper['optimizer']['weight_decy'] = 0": "AdamW takes no .*'weight_decay'",
    "param_scheduler[0]['warm_up'] = 1": "takes no 'warm_up' .*'warmup'",
    "val_evaluator['type'] = 'AccMetrics'": "val_evaluator: no metric .*'AccMetric'",
    "custom_hooks = [dict(type='LabelCheckHok')]": "custom_hooks.0: no hook .*'LabelCheckHook'",
    "default_hooks = dict(timer=dict(type='IterTimer'))": "default_hooks.timer: .*'IterTimerHook'",
}
OPTIONS = {
    'modle.type=X': "no 'modle' .*'model'",
    'train_dataloder.batch_size=1': "no 'train_dataloder' .*'train_dataloader'",
    'model.backbon.recompute=True': "model has no 'backbon' .*'backbone'",
    'model.backbone.adaptr.dim=8': "model.backbone has no 'adaptr' .*'adapter'",
    'train_dataloader.datset.ann_file=x': "train_dataloader has no 'datset' .*'dataset'",
    'optim_wrapper.optimiser.lr=1': "optim_wrapper has no 'optimiser' .*'optimizer'",
    'train_dataloader.batchsize=4': "DataLoader takes no 'batchsize' .*'batch_size'",
    'model.cls_head.alpa=1': "takes no 'alpa' .*'alpha'",
    'nothing_like_it=1': "the config has no 'nothing_like_it'",
}


def refused(main, arguments, capsys) -> str:
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr().err
    assert 'Traceback' not in printed
    return next(line for line in printed.splitlines() if line.startswith('error: '))


@pytest.mark.parametrize('change', CONFIGS)
def test_misspelt_configs(change, chaos, experiment, tmp_path, capsys):
    text = experiment.fixed.read_text()
    # Before the sections that use it; a config's own assignments would come too late.
    before = {'pipeline': 'videos = dict(', 'videos': 'train_dataloader = dict('}
    mark = next((mark for start, mark in before.items() if change.startswith(start)), None)
    at = len(text) if mark is None else text.index(mark)
    config = tmp_path / 'config.py'
    config.write_text(text[:at] + change + '\n' + text[at:])
    with chaos.attempt('misspelt config: key, type or argument') as attempt:
        if 'foundation' in change:
            error = refused(infer_tool.main, ['a.mp4', '--config', config], capsys)
        else:
            usual = [config, '--work-dir', tmp_path / 'work']
            error = refused(train_tool.main, usual, capsys)
        assert re.search(CONFIGS[change], error), error
        assert not list(tmp_path.rglob('*.pth'))
        attempt.seen = 'one line: the place, the wrong and the nearest valid name; status 2'


@pytest.mark.parametrize('option', OPTIONS)
@pytest.mark.parametrize('tool', ['train', 'test'])
def test_misspelt_options(option, tool, chaos, experiment, tmp_path, capsys):
    usual = [experiment.fixed, '--work-dir', tmp_path / 'work', '--cfg-options', option]
    with chaos.attempt('misspelt --cfg-options') as attempt:
        if tool == 'train':
            error = refused(train_tool.main, usual, capsys)
        else:
            error = refused(test_tool.main, [usual[0], 'none', *usual[1:]], capsys)
        assert re.search(OPTIONS[option], error), error
        attempt.seen = 'one line: the option, where its path ends and the nearest name; status 2'

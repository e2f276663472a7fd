"""Two processes over sockets: each video counted once, each failure named."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from tests.videos import write_mp4

ROOT = Path(__file__).resolve().parents[2]

WORKER = """
import json, sys
import torch
import torch.distributed as dist
import projects.msta.register
from mmaction.registry import DATASETS, METRICS
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

root, rank, port = sys.argv[1], int(sys.argv[2]), sys.argv[3]
dist.init_process_group('gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=2)
pipeline = [
    dict(type='MSTAVideoInit'),
    dict(type='UniformSample', clip_len=2, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(16, 16), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
with DefaultScope.overwrite_default_scope('mmaction'):
    dataset = dict(
        type='MSTAVideoDataset', ann_file='list.txt', data_root=root, pipeline=pipeline
    )
    metric = METRICS.build(dict(type='MSTAMetric', topk=(1,), out_file=f'{root}/report.json'))
    loader = Runner.build_dataloader(
        dict(
            dataset=dict(dataset, test_mode=True),
            batch_size=2,
            num_workers=1,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        seed=0,
    )
    for batch in loader:
        samples = batch['data_samples']
        for sample in samples:  # the right answer for every video but those of class 2
            answer = int(sample.gt_label) % 2
            sample.set_pred_score(torch.eye(3)[answer])
        metric.process(batch, [sample.to_dict() for sample in samples])
    values = metric.evaluate(len(loader.dataset))
    train = DATASETS.build(dict(dataset, max_failed=2))
    loader = Runner.build_dataloader(
        dict(
            dataset=train,
            batch_size=1,
            num_workers=1,
            sampler=dict(type='DefaultSampler', shuffle=True),
        ),
        seed=0,
    )
    trained = sum(len(batch['inputs']) for batch in loader)
print(json.dumps([values, trained]))
dist.destroy_process_group()
"""


def test_two_processes_give_the_numbers_of_one(tmp_path):
    lines = []
    for index in range(7):
        write_mp4(tmp_path / f'{index}.mp4', num_frames=3, seed=index)
        lines.append(f'{index}.mp4 {index % 3}\n')
    (tmp_path / '4.mp4').write_text('no video')
    (tmp_path / 'list.txt').write_text(''.join(lines))
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    workers = [
        subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', WORKER, str(tmp_path), str(rank), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for rank in (0, 1)
    ]
    output = [worker.communicate(timeout=600) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], output
    (first, trained), (second, _) = (json.loads(out.splitlines()[-1]) for out, _ in output)
    assert first == second
    # Classes 0 1 2 0 1 2 0: five answers are right, of which video 4 (class 1) failed.
    assert first['acc/top1'] == 4 / 7
    counts = {key: first[f'acc/{key}'] for key in ('expected', 'decoded', 'failed', 'classes')}
    assert counts == {'expected': 7, 'decoded': 6, 'failed': 1, 'classes': 3}
    assert trained == 4  # 7 videos over 2 processes, rounded up
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['failed'] == [{'video': '4.mp4', 'reason': 'unreadable'}]
    everything = ''.join(out + err for out, err in output)
    assert everything.count('4.mp4: not a video') >= 1

"""Ray gives what one process gives, also when the recognizer and a machine are lost on the way."""

import os
import signal
from pathlib import Path

import pytest

from projects.msta.collections import CollectionError
from projects.msta.collections.run import label_collection
from tests.collections.helpers import content, settings, write_list

INSTALL = 'pip install -r requirements/ray.txt'


def children(pid):
    """Process numbers and command lines of a process's children."""
    found = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    return {int(child): Path(f'/proc/{child}/cmdline').read_bytes() for child in found}


@pytest.mark.parametrize(
    ('resources', 'wanted', 'num_gpus', 'count'),
    [({'CPU': 4}, None, 0, 1), ({'CPU': 4}, 3, 0, 3), ({'CPU': 1, 'GPU': 4}, None, 0.5, 8)],
)
def test_as_many_recognizers_as_there_is_room_for(resources, wanted, num_gpus, count):
    pytest.importorskip('ray', reason=INSTALL)
    from projects.msta.collections.on_ray import count_recognizers

    assert count_recognizers(resources, wanted, num_gpus) == count


@pytest.mark.parametrize(
    ('resources', 'wanted', 'num_gpus', 'words'),
    [
        ({'CPU': 2}, 2, 0, '2 recognizers and a reader need 3 CPUs, the cluster has 2'),
        ({'CPU': 9}, None, 1, '1 recognizers with 1 GPUs each need 1, the cluster has 0'),
        ({'CPU': 9}, 0, 0, 'at least 1'),
    ],
)
def test_what_a_cluster_cannot_hold_is_refused(resources, wanted, num_gpus, words):
    pytest.importorskip('ray', reason=INSTALL)
    from projects.msta.collections.on_ray import count_recognizers

    with pytest.raises(CollectionError, match=words):
        count_recognizers(resources, wanted, num_gpus)


def test_ray_equals_one_process_when_a_recognizer_and_a_machine_are_lost(tiny, tmp_path):
    pytest.importorskip('ray', reason=INSTALL)
    from ray.cluster_utils import Cluster

    videos = write_list(tiny, tmp_path, times=12)
    common = settings(tiny, embeddings=True, batch_size=2, shard_size=6)
    alone = label_collection(videos, tmp_path / 'alone', **common)

    head = {'num_cpus': 2, 'include_dashboard': False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        other = cluster.add_node(num_cpus=1)
        nodes = [cluster.head_node, other]
        raylets = [node.all_processes['raylet'][0].process.pid for node in nodes]
        lost = []

        def lose(_):
            if lost:
                return
            for raylet in raylets:
                for worker, command in children(raylet).items():
                    if b'RayRecognizer' in command:
                        os.kill(worker, signal.SIGKILL)
                        lost.append(worker)
            cluster.remove_node(other, allow_graceful=False)
            assert lost

        on_ray = label_collection(
            videos,
            tmp_path / 'ray',
            **common,
            engine='ray',
            address=cluster.address,
            readers=1,
            recognizers=1,
            progress=lose,
        )
    finally:
        cluster.shutdown()
    assert len(lost) == 1
    assert content(tmp_path / 'ray') == content(tmp_path / 'alone')
    assert (on_ray.videos, on_ray.errors, on_ray.shards) == (61, 1, 11)
    assert (alone.videos, alone.errors, alone.shards) == (61, 1, 11)

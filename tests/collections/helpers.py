"""Lists of the tiny videos, and what a folder of shards holds."""

import pyarrow.parquet as pq


def videos_of(tiny):
    return sorted(str(path) for path in (tiny / 'videos').glob('*.mp4'))


def write_list(tiny, folder, times=1):
    """The five videos, ``times`` over, and one that is not there."""
    path = folder / 'list.txt'
    path.write_text('\n'.join([*videos_of(tiny) * times, str(folder / 'gone.mp4')]) + '\n')
    return path


def settings(tiny, **more):
    model = dict(config=tiny / 'config.py', checkpoint=tiny / 'adapters.pth', device='cpu')
    return dict(model=model, **more)


def content(folder):
    """The bytes of each shard, by its name."""
    return {path.name: path.read_bytes() for path in folder.glob('shard-*.parquet')}


def rows_of(folder):
    return [
        row for path in sorted(folder.glob('shard-*')) for row in pq.read_table(path).to_pylist()
    ]

"""Where things of the project lie."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parents[1]
"""The repository: configs, tools, and the users' ``data`` and ``work_dirs``."""

CONFIGS = ROOT / 'configs'
FEATURE_CACHE = ROOT / 'data' / 'feature_cache'
LABELS = PACKAGE / 'data' / 'labels'

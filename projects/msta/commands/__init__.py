"""The commands behind ``tools/``, one module each: its parser and a thin action.

Only the standard library is imported before the arguments are read, and a Python that the pinned
packages are not for is refused before anything else.
"""

import sys

if sys.version_info[:2] != (3, 11):
    version = '.'.join(map(str, sys.version_info[:2]))
    print(
        f'error: Python 3.11 is needed, this is {version} ({sys.executable}); activate the '
        "project's environment (source .venv/bin/activate), or make it: make setup "
        'PYTHON=python3.11',
        file=sys.stderr,
    )
    raise SystemExit(2)

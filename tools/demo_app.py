#!/usr/bin/env python3
"""A page in the browser: tools/demo_app.py --checkpoint adapters.pth"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from projects.msta.commands.demo_app import main

if __name__ == '__main__':
    status = main()
    sys.stdout.flush()
    # Gradio leaves threads behind that would keep the process; all that matters is closed by now.
    os._exit(status)

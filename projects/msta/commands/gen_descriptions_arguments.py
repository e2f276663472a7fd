"""Let a language model write spatial and temporal descriptions of classes.

Any OpenAI-compatible endpoint will do.

examples:
  OpenAI:         %(prog)s --labels kinetics400 --out k400.json --model gpt-4o-mini
  local server:   %(prog)s --labels my_labels.txt --out my.json --model qwen3 \\
                      --base-url http://localhost:8000/v1
  first look:     %(prog)s --labels ucf101 --out ucf.json --model gpt-4o-mini --dry-run
  no people:      %(prog)s --labels cranes.txt --out c.json --model gpt-4o-mini --subject machines
  the authors':   %(prog)s --import-published 2_s_x.json 2_t_x.json --labels x.txt --out x.json
  any file:       %(prog)s --check x.json --labels x.txt --context 32

The key is read from the environment (OPENAI_API_KEY, or the variable that --key-env names).
Every answer is stored at once: the same command continues where it was stopped.
Exit status: 0 done, 1 something is missing or unusable, 2 wrong usage or settings,
130 interrupted.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from .common import integer, make_parser


def _above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text!r} is not a number above 0')
    return value


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} is not JSON: {error}') from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is not a JSON object, such as {{"top_p": 0.9}}')
    return value


parser = make_parser(__doc__)
add = parser.add_argument
add('--labels', help='file of class names, or the name of a shipped list such as kinetics400')
add('--out', type=Path, help='description file to write (JSON)')
add('--cache', type=Path, help='file that keeps every answer (OUT with .cache.sqlite)')

add = parser.add_argument_group('what to ask for').add_argument
add('--num', type=integer(1, 32), default=2, metavar='N', help='texts of a kind per class (2)')
add(
    '--subject',
    default='human_actions',
    metavar='NAME',
    help='what the classes are: human_actions, machines, animals, camera_motion, or a JSON file '
    'with the words of the prompt (%(default)s)',
)
add(
    '--style',
    choices=('published', 'short', 'free'),
    default='published',
    help="sentence form: the authors', one for long class names and short contexts, or free "
    'sentences (%(default)s; a name too long for it gets the short one)',
)
add(
    '--context',
    type=integer(8, 1000),
    default=32,
    metavar='TOKENS',
    help="the text model's context in CLIP's tokens: 77 for CLIP, 32 for ViCLIP (%(default)s, "
    'which suits both)',
)
_help = 'name up to K similar classes in a prompt (%(default)s)'
add('--contrast', type=integer(0, 20), default=4, metavar='K', help=_help)

add = parser.add_argument_group('whom to ask').add_argument
add('--model', help='name of the language model at the endpoint')
add('--base-url', metavar='URL', help='endpoint (OPENAI_BASE_URL, else that of OpenAI)')
_help = 'environment variable with the API key (%(default)s)'
add('--key-env', default='OPENAI_API_KEY', metavar='NAME', help=_help)
add('--temperature', type=float, help="default: the endpoint's own")
add('--seed', type=int, help='sampling seed, where the endpoint has one')
add(
    '--max-tokens',
    type=integer(16, 1_000_000),
    default=2048,
    metavar='TOKENS',
    help='limit of an answer, reasoning included; doubled where one was cut off (%(default)s)',
)
_help = 'more fields of the request, e.g. \'{"reasoning_effort": "low"}\''
add('--extra', type=_json_object, metavar='JSON', help=_help)

add = parser.add_argument_group('how to run').add_argument
_help = 'requests in flight at once (%(default)s)'
add('--concurrency', type=integer(1, 1000), default=16, metavar='N', help=_help)
_help = 'answers a class may take until one passes the checks (%(default)s)'
add('--attempts', type=integer(1, 50), default=6, metavar='N', help=_help)
_help = 'repetitions after 429, 5xx, time-out, lost connection (%(default)s)'
add('--retries', type=integer(0, 100), default=10, metavar='N', help=_help)
add('--first-delay', type=_above_zero, help=argparse.SUPPRESS)
add('--timeout', type=_above_zero, default=120.0, metavar='SEC', help='of a request (%(default)s)')
add('--price-in', type=_above_zero, metavar='USD', help='per million prompt tokens')
add('--price-out', type=_above_zero, metavar='USD', help='per million completion tokens')
_help = "forget a class's answers and ask again (may be repeated)"
add('--refresh', action='append', default=[], metavar='CLASS', help=_help)
add('--refresh-failed', action='store_true', help='the same for classes out of attempts')
add('--allow-partial', action='store_true', help='write the file even though classes failed')
add('--dry-run', action='store_true', help='show prompts, tokens and price; ask nothing')

add = parser.add_argument_group('files instead of questions').add_argument
add(
    '--check',
    nargs='+',
    metavar='FILE',
    help='validate a description file, or a published pair (spatial, then temporal), and print '
    'statistics',
)
add('--all', action='store_true', help='list every finding of --check')
_help = "turn a pair of the authors' files into --out"
add('--import-published', nargs=2, metavar=('SPATIAL', 'TEMPORAL'), help=_help)
_help = "write the authors' two-file form of --out (with --model: after generating it)"
add('--export-published', type=Path, metavar='DIR', help=_help)


def usage_problem(args: argparse.Namespace) -> str | None:
    """Return what is missing or contradictory, if anything."""
    if args.check:
        if len(args.check) > 2:
            return '--check takes one file, or a published pair'
        if len(args.check) == 2 and not args.labels:
            return 'a published pair has no class names: give --labels'
        return None
    if args.import_published:
        both = args.labels and args.out
        return None if both else '--import-published needs --labels and --out'
    if args.export_published and not args.model:
        return None if args.out else '--export-published needs --out, the file to export'
    missing = [name for name in ('labels', 'out', 'model') if not getattr(args, name)]
    if missing:
        return f'missing: {", ".join(f"--{name}" for name in missing)}'
    if (args.price_in is None) != (args.price_out is None):
        return '--price-in and --price-out go together'
    if args.out.is_dir():
        return f'--out {str(args.out)!r} is a folder: name the file to write'
    if args.cache and args.cache.absolute() == args.out.absolute():
        return '--cache and --out must be two files'
    return None

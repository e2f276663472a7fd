"""The arguments of the description tool."""

import argparse
from collections.abc import Callable
from pathlib import Path

EPILOG = """\
examples:
  OpenAI:         %(prog)s --labels kinetics400 --out k400.json --model gpt-4o-mini
  local server:   %(prog)s --labels my_labels.txt --out my.json --model qwen3 \\
                      --base-url http://localhost:8000/v1
  first look:     %(prog)s --labels ucf101 --out ucf.json --model gpt-4o-mini --dry-run
  half price:     %(prog)s ... --batch submit    (then: --batch status, --batch collect)
  the authors':   %(prog)s --import-published 2_s_x.json 2_t_x.json --labels x.txt --out x.json
  any file:       %(prog)s --check x.json --labels x.txt --context 32

The key is read from the environment (OPENAI_API_KEY, or the variable that --key-env names).
Every answer is stored at once: the same command continues where it was stopped.
Exit status: 0 done, 1 something failed, 2 wrong usage, 130 interrupted.
"""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description='Let a language model write spatial and temporal descriptions of action '
        'classes, through any OpenAI-compatible endpoint.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--labels',
        help='label file (one name a line, or id,name CSV), or the '
        'name of a shipped list such as kinetics400',
    )
    parser.add_argument('--out', type=Path, help='description file to write (JSON)')
    parser.add_argument(
        '--cache',
        type=Path,
        help='file that keeps every answer (default: the name of --out, ending in .cache.sqlite)',
    )
    _add_content(parser.add_argument_group('what to ask for'))
    _add_endpoint(parser.add_argument_group('whom to ask'))
    _add_run(parser.add_argument_group('how to run'))
    files = parser.add_argument_group('files instead of questions')
    files.add_argument(
        '--check',
        nargs='+',
        metavar='FILE',
        help='validate a description file, or '
        'a published pair (spatial, then temporal), and print statistics',
    )
    files.add_argument('--all', action='store_true', help='list every finding of --check')
    files.add_argument(
        '--import-published',
        nargs=2,
        metavar=('SPATIAL', 'TEMPORAL'),
        help="turn a pair of the authors' files into --out",
    )
    files.add_argument(
        '--export-published',
        type=Path,
        metavar='DIR',
        help="write the authors' two-file form of --out (with --model: after generating it)",
    )
    return parser


def _add_content(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--num',
        type=_whole(1, 32),
        default=2,
        metavar='N',
        help='spatial and temporal descriptions a class, each (default: 2)',
    )
    group.add_argument(
        '--style',
        choices=('published', 'short', 'free'),
        default='published',
        help="sentence form: the authors', one for long class names and short "
        'contexts, or free sentences (default: published)',
    )
    group.add_argument(
        '--context',
        type=_whole(8, 1000),
        default=32,
        metavar='TOKENS',
        help="the text model's context: 77 for CLIP, 32 for ViCLIP (default: 32, which suits both)",
    )
    group.add_argument(
        '--contrast',
        type=_whole(0, 20),
        default=4,
        metavar='K',
        help='name up to K similar classes in a prompt (default: 4)',
    )


def _add_endpoint(group: argparse._ArgumentGroup) -> None:
    group.add_argument('--model', help='name of the language model at the endpoint')
    group.add_argument(
        '--base-url',
        metavar='URL',
        help='endpoint (default: OPENAI_BASE_URL, else https://api.openai.com/v1)',
    )
    group.add_argument(
        '--key-env',
        default='OPENAI_API_KEY',
        metavar='NAME',
        help='environment variable with the API key (default: OPENAI_API_KEY)',
    )
    group.add_argument('--temperature', type=float, help="default: the endpoint's own")
    group.add_argument('--seed', type=int, help='sampling seed, where the endpoint has one')
    group.add_argument(
        '--max-tokens',
        type=_whole(16, 1_000_000),
        default=2048,
        metavar='TOKENS',
        help='limit of an answer, reasoning included; doubled for a class whose '
        'answer was cut off (default: 2048)',
    )
    group.add_argument(
        '--extra',
        metavar='JSON',
        help='more fields of the request, e.g. \'{"reasoning_effort": "low"}\'',
    )


def _add_run(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--concurrency',
        type=_whole(1, 1000),
        default=16,
        metavar='N',
        help='requests in flight at once (default: 16)',
    )
    group.add_argument(
        '--attempts',
        type=_whole(1, 50),
        default=6,
        metavar='N',
        help='answers a class may take until one passes the checks (default: 6)',
    )
    group.add_argument(
        '--retries',
        type=_whole(0, 100),
        default=10,
        metavar='N',
        help='repetitions of a request that failed: 429, 5xx, time-out, lost '
        'connection (default: 10)',
    )
    group.add_argument(
        '--first-delay',
        type=_positive,
        default=1.0,
        metavar='SEC',
        help='pause before the first repetition; doubles up to 30 s (default: 1)',
    )
    group.add_argument(
        '--timeout',
        type=_positive,
        default=120.0,
        metavar='SEC',
        help='time a request may take (default: 120)',
    )
    group.add_argument(
        '--price-in', type=_positive, metavar='USD', help='per million prompt tokens'
    )
    group.add_argument(
        '--price-out', type=_positive, metavar='USD', help='per million completion tokens'
    )
    group.add_argument(
        '--refresh',
        action='append',
        default=[],
        metavar='CLASS',
        help="forget a class's answers and ask again (may be repeated)",
    )
    group.add_argument(
        '--refresh-failed',
        action='store_true',
        help='the same for every class that used up its attempts',
    )
    group.add_argument(
        '--allow-partial', action='store_true', help='write the file even though classes failed'
    )
    group.add_argument(
        '--dry-run',
        action='store_true',
        help='show the first prompts, request count, tokens and price; ask nothing',
    )
    group.add_argument(
        '--batch',
        choices=('submit', 'status', 'collect'),
        help='use the Batch API: submit what is missing, look, collect',
    )


def usage_problem(arguments: argparse.Namespace) -> str | None:
    """Return what is missing or contradictory, if anything."""
    if arguments.check:
        if len(arguments.check) > 2:
            return '--check takes one file, or a published pair'
        if len(arguments.check) == 2 and not arguments.labels:
            return 'a published pair has no class names: give --labels'
        return None
    if arguments.import_published:
        return (
            None
            if arguments.labels and arguments.out
            else ('--import-published needs --labels and --out')
        )
    if arguments.export_published and not arguments.model:
        return None if arguments.out else '--export-published needs --out, the file to export'
    missing = [name for name in ('labels', 'out', 'model') if not getattr(arguments, name)]
    if missing:
        return f'missing: {", ".join(f"--{name}" for name in missing)}'
    if (arguments.price_in is None) != (arguments.price_out is None):
        return '--price-in and --price-out go together'
    if arguments.out.is_dir():
        return f'--out {str(arguments.out)!r} is a folder: name the file to write'
    if arguments.cache and arguments.cache.absolute() == arguments.out.absolute():
        return '--cache and --out must be two files'
    if arguments.batch and arguments.dry_run:
        return '--dry-run and --batch exclude each other'
    return None


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f'{text!r} is no whole number from {least} to {most}')
        return value

    return parse


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text!r} is no number above 0')
    return value

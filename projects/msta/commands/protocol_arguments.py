"""What the two protocol tools share: arguments, the request they make, checks of a plan."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..protocols.definitions import (
    DATASETS,
    DEFAULT_SHOTS,
    MODELS,
    MOST_RATES,
    PROTOCOLS,
    ProtocolError,
)
from .common import CFG_OPTIONS, CfgOptions, integer

if TYPE_CHECKING:
    from ..protocols.comparison import Comparison
    from ..protocols.plan import Plan, Request

_SHOTS = '; '.join(f'{name}: {" ".join(map(str, k))}' for name, k in DEFAULT_SHOTS.items())

PROTOCOL = argparse.ArgumentParser(add_help=False, parents=[CFG_OPTIONS])
add = PROTOCOL.add_argument
add('--dataset', required=True, help='hmdb51, ucf101, ssv2, kinetics400, kinetics600, shapes')
add(
    '--model',
    help=f'which foundation: {", ".join(MODELS)}, or another preset of docs/foundations.md, as '
    'clip-l14 (viclip-b16; Shapes: viclip-tiny)',
)
add('--config', type=Path, help='config to train with, in the place of the shipped one')
add('--test-config', type=Path, help='config to test with, if another')
add('--seeds', type=int, nargs='+', help='seeds (1 2 3; zero_shot and supervised: 1)')
add('--shots', type=integer(1), nargs='+', default=[], help=f'videos per class ({_SHOTS})')
add('--data', type=Path, help="folder of the lists (the config's); its labels.txt are classes")
add('--videos', type=Path, help="folder that paths in the lists are relative to (the config's)")
add('--labels', help='class list, a file or a shipped one, where all classes are taken')
add(
    '--lists',
    choices=['own', 'vificlip'],
    default='own',
    help="names of the lists: those of make_splits.py, or ViFi-CLIP's through its command "
    '`published` (%(default)s)',
)
add('--descriptions', nargs='+', metavar='FILE', help='one file, or the published pair')
add(
    '--select',
    choices=['last', 'best'],
    default='last',
    help='report the last epoch, or the best on the test videos, as the published logs do; the '
    'report names it (%(default)s)',
)
add('--gpus', type=integer(1), default=1, help='processes of a run; the whole batch stays the same')
add('--jobs', type=integer(1), default=1, help='runs side by side, each with its --gpus')
add('--port', type=int, default=29500, help='first port of the launcher (%(default)s)')
add('--amp', action='store_true', help='train in mixed precision')
add('--work-dir', type=Path, help='folder of runs and reports (work_dirs/protocols)')
add('--overwrite', action='store_true', help='train again what was made from something else')
add('--dry-run', action='store_true', help='check everything, say what would be done, and stop')


def add_protocol(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add which protocol is run; ``more`` are names beside those of the protocols."""
    parser.add_argument('protocol', choices=[*PROTOCOLS, *more])


def add_search(group: argparse._ArgumentGroup) -> None:
    """Add where the learning rate of each method comes from."""
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        '--search',
        type=integer(2),
        nargs='?',
        const=MOST_RATES,
        metavar='N',
        help='choose the learning rate of each method on validation videos, out of at most N '
        f'({MOST_RATES}); without it or --rates each has its start value',
    )
    one.add_argument(
        '--rates', type=Path, metavar='FILE', help='rates that a search of another run chose'
    )
    group.add_argument(
        '--validation',
        type=Path,
        metavar='LIST',
        help='--search: videos of the trained classes; those trained on are left out',
    )


class AddMethod(argparse.Action):
    """``--add NAME KEY=VALUE ...``, any number of times: name -> options."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        name, *settings = values
        if '=' in name:
            parser.error(f'{option_string}: a name comes first, then KEY=VALUE, got {values}')
        held = argparse.Namespace(options={})
        CfgOptions(self.option_strings, 'options')(parser, held, settings, option_string)
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest) or {}), name: held.options})


def make_request(args: argparse.Namespace) -> Request:
    """Return the ``Request`` that the arguments ask for.

    Raises:
        ProtocolError: They do not go together.
    """
    from ..paths import ROOT
    from ..protocols.plan import Request

    if args.dataset not in DATASETS[args.protocol] and args.config is None:
        raise ProtocolError(
            f'{args.protocol} on {args.dataset}: there are configs for '
            f'{", ".join(DATASETS[args.protocol])}; for other data give --config'
        )
    if args.model and args.config and (args.protocol != 'zero_shot' or args.test_config):
        raise ProtocolError(
            f'--model {args.model} has no effect beside --config, which says its model'
        )
    if args.descriptions and len(args.descriptions) > 2:
        raise ProtocolError('--descriptions takes one file, or the published pair of two')
    is_file = args.labels and Path(args.labels).is_file()
    return Request(
        protocol=args.protocol,
        dataset=args.dataset,
        work_dir=Path(args.work_dir or ROOT / 'work_dirs' / 'protocols').resolve(),
        model=args.model or ('viclip-tiny' if args.dataset == 'shapes' else 'viclip-b16'),
        config=args.config,
        test_config=args.test_config,
        seeds=tuple(dict.fromkeys(args.seeds or ())),
        shots=tuple(sorted(set(args.shots))),
        published_lists=args.lists == 'vificlip',
        data=args.data and args.data.resolve(),
        videos=args.videos and args.videos.resolve(),
        labels=str(Path(args.labels).resolve()) if is_file else args.labels,
        descriptions=tuple(str(Path(path).resolve()) for path in args.descriptions or ()),
        select=args.select,
        processes=args.gpus,
        amp=args.amp,
        cfg_options=args.cfg_options or {},
    )


def make_comparison(args: argparse.Namespace, *methods: Any) -> Comparison:
    """Return the ``Comparison`` of these methods that the arguments ask for.

    Raises:
        ProtocolError: They do not go together.
    """
    from ..protocols.comparison import Comparison

    if args.search is not None and args.select == 'best':
        raise ProtocolError('--search chooses rates by the last epoch; leave out --select best')
    if args.validation is not None and args.search is None:
        raise ProtocolError('--validation is what --search chooses rates on; give --search too')
    prepare_terminal()
    return Comparison(make_request(args), *methods)


def prepare(comparison: Comparison, args: argparse.Namespace) -> bool:
    """Find each method's rate and check the runs; return whether they are to be run."""
    from ..protocols.plan import make_plan
    from ..protocols.search import make_validation

    if args.rates is not None:
        comparison.take_rates(args.rates)
    elif args.search is not None:
        validation = make_validation(comparison.base, args.validation)
        if args.dry_run:
            plan = make_plan(comparison.request, [validation.cell])
            check(plan, show=True)
            first = plan.runs[0].folder
            print(f'rates would be chosen on {validation.videos} videos, after {first}')
        else:
            options = (args.jobs, args.overwrite, args.port)
            comparison.search(validation, args.search, check, *options)
    return check(comparison.plan(), args.dry_run)


def check(plan: Plan, show: bool = False) -> bool:
    """Check a plan and say what is doubtful; ``show`` what it would do. Whether it is to be run."""
    from ..protocols.checks import check_plan
    from ..protocols.processes import say

    for warning in check_plan(plan):
        say(f'warning: {warning}')
    if show:
        for run in plan.runs:
            state = 'trained' if run.last_checkpoint.is_file() else 'to train'
            print(f'{run.folder} ({state})\n  config {run.recipe}')
            print(f'  train {run.config.train_dataloader.dataset.ann_file}')
            for test in run.tests:
                print(f'  test  {test.config.test_dataloader.dataset.ann_file}')
        print(f'report {plan.report_dir}')
    return not show


def prepare_terminal() -> None:
    """Let lines of progress come as they are said, also through a pipe; SIGTERM ends as Ctrl-C."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if threading.current_thread() is threading.main_thread():
        # What runs is ended too, and continues with the next call.
        signal.signal(signal.SIGTERM, signal.default_int_handler)

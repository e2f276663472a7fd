"""The paper's claims as hypotheses: what is compared, and a verdict from paired results. No torch.

The protocol, with the rule of the verdict, is docs/claims.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.measures import harmonic_mean
from ..spelling import did_you_mean
from .definitions import ProtocolError
from .manifest import read_json
from .methods import METHODS, Method, Options, Size
from .plan import Evaluation, Plan
from .report import table

_ADAPTER = 'model.backbone.adapter'
_DRAWS = 10_000
_LEVEL = 95


@dataclass(frozen=True)
class Claim:
    """``better`` has a higher ``column`` ('base', 'novel', 'HM') than ``worse``.

    ``paper`` is the published pair of numbers, or what else the paper says.
    """

    text: str
    better: str
    worse: str
    paper: str
    column: str = 'HM'


def _half(size: Size, upper: bool) -> Options:
    """Half of the config's adapted blocks, as many on either side."""
    first, last = size.blocks
    half = (last - first + 1) // 2
    chosen = [last - half + 1, last] if upper else [first, first + half - 1]
    return {f'{_ADAPTER}.blocks': chosen}


def _scaled(factor: float, rescale: bool = True) -> Method:
    title = f'lambda x {factor:g}' + ('' if rescale else ', gradient not rescaled')
    plain = {} if rescale else {f'{_ADAPTER}.rescale_gradient': False}
    return Method(title, lambda size: {f'{_ADAPTER}.scale': size.scale * factor, **plain})


def _set(title: str, **options: Any) -> Method:
    return Method(title, lambda size: {k.replace('__', '.'): v for k, v in options.items()})


# Variations of MSTA + L_CC, beside the methods of ``methods.py``.
VARIANTS: dict[str, Method] = {
    'spatial-only': _set('spatial descriptions only', model__cls_head__targets=['spatial']),
    'temporal-only': _set('temporal descriptions only', model__cls_head__targets=['temporal']),
    'template': _set('the frozen prompt as target', model__cls_head__targets=['template']),
    'alpha-0.1': _set('alpha 0.1', model__cls_head__alpha=0.1),
    'alpha-10': _set('alpha 10', model__cls_head__alpha=10),
    'n-1': _set('N = 1 description of a kind', model__num_descriptions=1),
    'video-tower': _set('video tower only', model__backbone__adapter__towers=['video']),
    'text-tower': _set('text tower only', model__backbone__adapter__towers=['text']),
    'unshared': _set('no shared projection', model__backbone__adapter__shared=False),
    'no-temporal': _set('no temporal part', model__backbone__adapter__temporal='none'),
    'full-conv': Method(
        'full convolution, half the dim',
        lambda size: {f'{_ADAPTER}.temporal': 'full', f'{_ADAPTER}.dim': size.dim // 2},
    ),
    'upper': Method('upper half of the blocks', lambda size: _half(size, upper=True)),
    'lower': Method('lower half of the blocks', lambda size: _half(size, upper=False)),
    'dim-half': Method('half the dim', lambda size: {f'{_ADAPTER}.dim': size.dim // 2}),
    'dim-double': Method('double dim', lambda size: {f'{_ADAPTER}.dim': size.dim * 2}),
    'lambda-low': _scaled(0.1),
    'lambda-high': _scaled(10),
    'plain': _scaled(1, rescale=False),
    'plain-low': _scaled(0.1, rescale=False),
    'plain-high': _scaled(10, rescale=False),
}
_BEST = 'best of those tried'
_NONE = 'not compared'
CLAIMS: dict[str, Claim] = {
    'adapts': Claim('MSTA over the frozen model', 'msta', 'frozen', '66.3 / 54.9 (HMDB-51)'),
    'keeps': Claim('MSTA loses no novel class', 'msta', 'frozen', 'its subject', 'novel'),
    'l_cc-novel': Claim('L_CC over none, novel', 'msta', 'msta-ce', 'its subject', 'novel'),
    'l_cc': Claim('L_CC over none', 'msta', 'msta-ce', 'its subject'),
    'l_cc-text': Claim('descriptions over the prompt', 'msta', 'template', _NONE),
    'spatial': Claim('both kinds over spatial alone', 'msta', 'spatial-only', 'both best'),
    'temporal': Claim('both kinds over temporal alone', 'msta', 'temporal-only', 'both best'),
    'alpha-low': Claim('alpha 1 over 0.1', 'msta', 'alpha-0.1', _BEST),
    'alpha-high': Claim('alpha 1 over 10', 'msta', 'alpha-10', _BEST),
    'n': Claim('N = 2 over 1', 'msta', 'n-1', _BEST),
    'towers-video': Claim('both towers over video', 'msta', 'video-tower', '60.1 / 57.9'),
    'towers-text': Claim('both towers over text', 'msta', 'text-tower', '60.1 / 57.9'),
    'shared': Claim('shared projection over none', 'msta', 'unshared', '60.1 / 59.5'),
    'order': Claim('temporal part over none', 'msta', 'no-temporal', 'its subject'),
    'depthwise': Claim('depthwise over full, no more parameters', 'msta', 'full-conv', _NONE),
    'upper': Claim('upper blocks over lower', 'upper', 'lower', '7..12 over 1..6'),
    'dim-low': Claim('dim over half of it', 'msta', 'dim-half', '256 best'),
    'dim-high': Claim('dim over its double', 'msta', 'dim-double', '256 best'),
    'lambda-low': Claim('lambda over a tenth', 'msta', 'lambda-low', '0.005 best'),
    'lambda-high': Claim(
        'lambda over ten times it, novel', 'msta', 'lambda-high', '40.3 at 0.05', 'novel'
    ),
    'plain-low': Claim('the same, gradient not rescaled', 'plain', 'plain-low', '0.005 best'),
    'plain-high': Claim(
        'the same, gradient not rescaled', 'plain', 'plain-high', '40.3 at 0.05', 'novel'
    ),
    'lora': Claim('MSTA over LoRA', 'msta', 'lora', '66.3 / 64.0 (HMDB-51)'),
    'adaptformer': Claim('MSTA over AdaptFormer', 'msta', 'adaptformer', '66.3 / 64.3 (HMDB-51)'),
    'full': Claim('MSTA over full fine-tuning', 'msta', 'full', '66.3 / 62.7 (HMDB-51)'),
    **{
        name: Claim(f'MSTA over {METHODS[name].title}', 'msta', name, _NONE)
        for name in ('st-adapter', 'mma', 'bitfit', 'coop', 'linear-probe')
    },
}


def choose_claims(names: Sequence[str] | None) -> dict[str, Claim]:
    """Return the claims asked for, all by default.

    Raises:
        ProtocolError: an unknown name.
    """
    for name in names or ():
        if name not in CLAIMS:
            hint = did_you_mean(name, CLAIMS)
            raise ProtocolError(f'no claim {name!r}{hint}; the claims are {", ".join(CLAIMS)}')
    return {name: CLAIMS[name] for name in names or CLAIMS}


def methods_of(claims: Mapping[str, Claim]) -> list[str]:
    """Return the methods that claims compare; MSTA and the frozen model always."""
    sides = [side for claim in claims.values() for side in (claim.better, claim.worse)]
    return list(dict.fromkeys(['msta', 'frozen', *sides]))


Correct = dict[str, np.ndarray]


def read_correct(plan: Plan, frozen: bool = False) -> Correct:
    """Part -> which videos were recognized, ``(seeds, videos)`` of 0 and 1.

    Raises:
        ProtocolError: a result is missing, or does not say it video by video.
    """
    rows: dict[str, list[list[bool]]] = {}
    for run in plan.runs:
        for evaluation in run.frozen if frozen else run.tests:
            rows.setdefault(evaluation.part, []).append(_one(evaluation))
    return {part: np.array(row, float) for part, row in rows.items()}


def _one(evaluation: Evaluation) -> list[bool]:
    result = read_json(evaluation.result) or {}
    if 'correct' not in result:
        raise ProtocolError(
            f'{evaluation.result} does not say which videos were recognized: it is missing, or of '
            'an earlier version; remove the file, and the same command tests again'
        )
    return result['correct']


def paired_difference(
    better: Correct, worse: Correct, column: str, draws: int = _DRAWS
) -> dict[str, Any]:
    """Difference of two methods in points, with its interval over seeds and videos.

    Seeds and videos are drawn again with replacement, the same ones for both methods; the
    interval is of percentiles.
    """
    generator = np.random.default_rng(0)
    parts = ('base', 'novel') if column == 'HM' else (column,)
    seeds = len(better[parts[0]])
    by_video = {part: better[part].shape[1] for part in parts}

    def shares(count: int) -> np.ndarray:
        return generator.multinomial(count, np.full(count, 1 / count), draws) / count

    drawn = shares(seeds)
    weights = {part: shares(count) for part, count in by_video.items()}

    def value(correct: Correct, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """``(draws, seeds)`` of points."""
        found = [100 * given[part] @ correct[part].T for part in parts]
        return found[0] if len(found) == 1 else np.vectorize(harmonic_mean)(*found)

    same = {part: np.full((1, n), 1 / n) for part, n in by_video.items()}
    first, second = (value(correct, same).mean() for correct in (better, worse))
    differences = ((value(better, weights) - value(worse, weights)) * drawn).sum(1)
    tail = (100 - _LEVEL) / 2
    low, high = np.percentile(differences, [tail, 100 - tail])
    return {
        'better': float(first),
        'worse': float(second),
        'difference': float(first - second),
        'low': float(low),
        'high': float(high),
        'seeds': seeds,
        'verdict': verdict(float(low), float(high)),
    }


def verdict(low: float, high: float) -> str:
    """Return what an interval of the difference says of a claim."""
    if low > 0:
        return 'holds'
    return 'does not' if high < 0 else 'undecided'


def judge(claims: Mapping[str, Claim], plans: Mapping[str, Plan]) -> dict[str, dict[str, Any]]:
    """Return each claim's difference and verdict; ``plans`` are of the trained methods."""
    correct = {name: read_correct(plan) for name, plan in plans.items()}
    correct['frozen'] = read_correct(next(iter(plans.values())), frozen=True)
    return {
        name: {
            'text': claim.text,
            'methods': [claim.better, claim.worse],
            'column': claim.column,
            'paper': claim.paper,
            **paired_difference(correct[claim.better], correct[claim.worse], claim.column),
        }
        for name, claim in claims.items()
    }


def to_page(judged: Mapping[str, Mapping[str, Any]], command: str) -> str:
    """Return the table of verdicts as Markdown."""
    seeds = next(iter(judged.values()))['seeds']
    rows = [
        [
            row['text'],
            row['paper'],
            row['column'],
            f'{row["better"]:.1f} / {row["worse"]:.1f}',
            f'{row["difference"]:+.1f} [{row["low"]:+.1f}, {row["high"]:+.1f}]',
            row['verdict'],
        ]
        for row in judged.values()
    ]
    lines = [
        '# The claims',
        '',
        f'Difference in points with its {_LEVEL}% interval, paired bootstrap over {seeds} seeds '
        'and the test videos; one interval in twenty misses. Protocol: docs/claims.md.',
        '',
        *table(['claim', 'paper', 'of', 'here', 'difference', 'verdict'], rows),
        '',
        f'    {command}',
        '',
    ]
    return '\n'.join(lines)

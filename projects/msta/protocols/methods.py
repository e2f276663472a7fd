"""The methods that are compared, each a few settings on top of a protocol's config. No torch.

A method is the config with other ``--cfg-options``: the lines of docs/ablations.md, with sizes
that fit the config's model. ``rate`` is where its learning rate starts, relative to the config's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..spelling import did_you_mean
from ..training.options import option_values
from .definitions import ProtocolError

if TYPE_CHECKING:
    from mmengine.config import Config

    from .plan import Request

Options = dict[str, Any]
RATE = 'optim_wrapper.optimizer.lr'
_WIDTHS = {'b16': 768, 'b32': 768, 'l14': 1024}


@dataclass(frozen=True)
class Size:
    """What methods take their sizes from: the config's MSTA adapter, the video tower's width."""

    blocks: Sequence[int]
    dim: int
    scale: float
    width: int


@dataclass(frozen=True)
class Method:
    """``settings`` gives the options for a size; None is the frozen model, which is not trained."""

    title: str
    settings: Callable[[Size], Options] | None
    rate: float = 1.0


def _adapter(kind: str, /, **options: Any) -> Options:
    """Another adapter, trained with the cross-entropy alone, as its authors do."""
    prefix = 'model.backbone.adapter'
    chosen = {f'{prefix}.{name}': value for name, value in options.items()}
    return {
        f'{prefix}._delete_': True,
        f'{prefix}.type': kind,
        **chosen,
        'model.cls_head.alpha': 0,
    }


METHODS: dict[str, Method] = {
    'msta': Method('MSTA + L_CC', lambda size: {}),
    'msta-ce': Method('MSTA without L_CC', lambda size: {'model.cls_head.alpha': 0}),
    'adaptformer': Method('AdaptFormer', lambda size: _adapter('AdaptFormer', dim=size.dim)),
    'lora': Method('LoRA', lambda size: _adapter('LoRA', rank=size.dim)),
    'st-adapter': Method('ST-Adapter', lambda size: _adapter('STAdapter', dim=size.width // 2)),
    # Of MMA's own defaults (blocks 5..12, dim 32, scale 0.001) none fits a tower of four blocks.
    'mma': Method(
        'MMA',
        lambda size: _adapter('MMA', blocks=list(size.blocks), dim=size.dim, scale=size.scale),
    ),
    'bitfit': Method('BitFit', lambda size: _adapter('BitFit')),
    # From words, as for base-to-novel in CoCoOp: random vectors take longer than a short recipe.
    'coop': Method(
        'CoOp',
        lambda size: {**_adapter('CoOp', init='a_video_of'), 'model.template': '{}.'},
    ),
    'linear-probe': Method('linear probe', lambda size: _adapter('LinearProbe')),
    'full': Method('full fine-tuning', lambda size: _adapter('FullFineTuning'), rate=0.01),
    'frozen': Method('frozen model', None),
}


@dataclass(frozen=True)
class Entry:
    """A trained method: its settings on a config, and the rate these leave it with."""

    name: str
    options: Options
    given_rate: float
    start: float

    def rate(self, factor: float = 1.0) -> float:
        """Return the learning rate at ``factor`` times the method's start."""
        return float(f'{self.given_rate * self.start * factor:.4g}')

    def request(self, request: Request, rate: float) -> Request:
        """Return the same request for this method at a learning rate."""
        options = {**request.cfg_options, **self.options}
        # Left out where it changes nothing: a run of the protocol alone is then taken as it is.
        if rate != self.given_rate:
            options[RATE] = rate
        return replace(request, cfg_options=options, title=f'{self.name} lr={rate:g}')


def choose_methods(
    names: Sequence[str] | None, added: Mapping[str, Options | Method] | None
) -> dict[str, Method]:
    """Return the methods asked for, in their order; ``added`` are further ones by name.

    Raises:
        ProtocolError: an unknown or repeated name, or nothing to train.
    """
    known = dict(METHODS)
    for name, given in (added or {}).items():
        if name in METHODS:
            raise ProtocolError(f'--add {name}: there is a method of this name; choose another')
        known[name] = given if isinstance(given, Method) else Method(name, lambda _, o=given: {**o})  # type: ignore[misc]
    chosen = list(dict.fromkeys([*(names or METHODS), *(added or {})]))
    for name in chosen:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ProtocolError(f'no method {name!r}{hint}; the methods are {", ".join(known)}')
    if all(known[name].settings is None for name in chosen):
        raise ProtocolError(f'--methods {" ".join(chosen)}: none of them is trained; name one more')
    return {name: known[name] for name in chosen}


def make_entries(methods: Mapping[str, Method], cfg: Config) -> list[Entry]:
    """Return the trained ones of ``methods`` on a config; errors as of :func:`options_of`."""
    entries = []
    for name, method in methods.items():
        if method.settings is not None:
            options = options_of(method, cfg)
            given = options.get(RATE, cfg.optim_wrapper.optimizer.lr)
            entries.append(Entry(name, options, given, method.rate))
    return entries


def options_of(method: Method, cfg: Config) -> Options:
    """Return a method's options on a config.

    Raises:
        ProtocolError: the config's adapter is not MSTA's.
    """
    adapter = cfg.model.backbone.get('adapter') or {}
    if adapter.get('type') != 'MSTAAdapter':
        raise ProtocolError(
            f'{cfg.filename} has the adapter {adapter.get("type")}; methods take their sizes from '
            "MSTAAdapter's, so compare on a config of MSTA"
        )
    arch = cfg.model.backbone.foundation.arch
    width = _WIDTHS[arch] if isinstance(arch, str) else arch['width']
    # The defaults are MSTAAdapter's own.
    size = Size(adapter['blocks'], adapter.get('dim', 128), adapter.get('scale', 0.005), width)
    assert method.settings is not None
    return option_values(cfg, method.settings(size))

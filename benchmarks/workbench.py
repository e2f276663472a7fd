"""What the benchmark runs: a recognizer with random weights, and its plain twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from benchmarks import tiny_arch
from benchmarks.plain import PlainModel
from projects.msta import register  # noqa: F401
from projects.msta.evaluation.timing import Once
from projects.msta.foundation import (
    Architecture,
    TextState,
    VideoState,
    resolve_architecture,
    tokenize,
)
from projects.msta.labels import make_prompts, read_labels
from projects.msta.models import MSTARecognizer


@dataclass(frozen=True)
class Setting:
    """What is measured: the model, its input, and where.

    Attributes:
        arch: ViCLIP preset (b16, l14), or 'tiny', the one that ships with the project.
        context: Text context, 32 as ViCLIP's or 77 as CLIP's.
        batch: Clips of a step.
        classes: Number of class names.
        device: Of PyTorch.
        amp: Whether to compute in bfloat16.
    """

    arch: str = 'b16'
    context: int = 32
    batch: int = 4
    classes: int = 400
    device: str = 'cpu'
    amp: bool = False


Sides = dict[str, Once]


class Workbench:
    """A ViCLIP recognizer with random weights, its plain twin, and one batch for both.

    The upper 5 blocks of either tower (2 in the tiny model) are adapted.
    """

    def __init__(self, setting: Setting) -> None:
        from mmaction.registry import MODELS
        from mmaction.utils import register_all_modules

        register_all_modules(init_default_scope=True)
        torch.manual_seed(0)
        arch = resolve_architecture(
            'ViCLIP', tiny_arch() if setting.arch == 'tiny' else setting.arch
        )
        arch = replace(arch, context_length=setting.context)
        self.labels = class_names(setting.classes)
        self.model: MSTARecognizer = MODELS.build(_config(arch, self.labels)).to(setting.device)
        self.plain = PlainModel(self.model)
        size = arch.image_size
        self.video = torch.randn(
            setting.batch, 3, arch.num_frames, size, size, device=setting.device
        )
        self.targets = torch.arange(setting.batch, device=setting.device) % len(self.labels)
        self.tokens = tokenize(make_prompts(self.labels), setting.context).to(setting.device)
        shape = (2, len(self.labels), arch.embed_dim)
        self.descriptions = torch.randn(shape, device=setting.device)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=0.0)
        self.device = torch.device(setting.device)
        self.amp = setting.amp

    # ------------------------------------------------------------------ one run of a side

    def our_loss(self, video: Tensor | VideoState) -> Tensor:
        from mmaction.structures import ActionDataSample

        model = self.model
        feats = (
            model.backbone.encode_video(video),
            model.encode_classes(),
            model.backbone.foundation.logit_scale,
        )
        samples = [ActionDataSample().set_gt_label(int(label)) for label in self.targets]
        targets = dict(zip(('spatial', 'temporal'), self.descriptions, strict=True))
        losses = model.cls_head.loss(feats, samples, targets=targets)
        return losses['loss_cls'] + losses['loss_consistency']

    def plain_loss(self) -> Tensor:
        return self.plain.loss(self.video, self.targets, self.tokens, list(self.descriptions))

    def step(self, loss: Callable[[], Tensor], amp: bool | None = None) -> None:
        enabled = self.amp if amp is None else amp
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=enabled):
            value = loss()
        value.backward()
        self.optimizer.step()

    def encode(self, function: Callable[[Tensor], Tensor], clips: int | None = None) -> None:
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            function(self.video[:clips])

    def text_step(self, encode: Callable[[], Tensor]) -> None:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            encode().square().sum().backward()

    def bare_plain(self, video: Tensor) -> Tensor:
        adapters, self.plain.video_adapters = self.plain.video_adapters, {}
        try:
            return self.plain.encode_video(video)
        finally:
            self.plain.video_adapters = adapters

    def padded_texts(self) -> TextState:
        """Return the prompts as a padded batch, cut to the longest."""
        text = self.model.backbone.foundation.text
        ends = self.tokens.argmax(-1)
        tokens = self.tokens[:, : int(ends.max()) + 1]
        x = text.token_embedding(tokens) + text.positional_embedding[: tokens.shape[1]]
        return TextState(x, ends, 1)

    # ------------------------------------------------------------------ what is compared

    def training_step(self) -> Sides:
        self.model.encode_classes()  # the frozen text path, once per run
        cached = self.model.backbone.video_state(self.video)
        return {
            'plain': lambda: self.step(self.plain_loss),
            'ours': lambda: self.step(lambda: self.our_loss(self.video)),
            'ours, cached features': lambda: self.step(lambda: self.our_loss(cached)),
        }

    def precision(self) -> Sides:
        self.model.encode_classes()
        cached = self.model.backbone.video_state(self.video)
        return {
            'float32': lambda: self.step(lambda: self.our_loss(self.video), amp=False),
            'bfloat16': lambda: self.step(lambda: self.our_loss(self.video), amp=True),
            'bfloat16, cached features': lambda: self.step(lambda: self.our_loss(cached), amp=True),
        }

    def text_side(self) -> Sides:
        """Plain, and then one shortcut more at a time."""
        text, adapter = self.model.backbone.foundation.text, self.model.backbone.adapter
        self.model.encode_classes()
        cut = self.padded_texts()
        with torch.no_grad():
            kept = text.advance(cut, adapter.first_text_block(self.model.backbone.foundation))
        return {
            'plain': lambda: self.text_step(lambda: self.plain.encode_text(self.tokens)),
            'cut to the longest; the last block for one row': lambda: self.text_step(
                lambda: text.finish(cut, adapter.text)
            ),
            '+ kept below the first adapted block': lambda: self.text_step(
                lambda: text.finish(kept, adapter.text)
            ),
            '+ packed (ours)': lambda: self.text_step(self.model.encode_classes),
        }

    def clip_forward(self) -> Sides:
        foundation, backbone = self.model.backbone.foundation, self.model.backbone
        return {
            'plain, no adapters': lambda: self.encode(self.bare_plain),
            'ours, no adapters': lambda: self.encode(foundation.encode_video),
            'ours, adapters': lambda: self.encode(backbone.encode_video),
            'plain, adapters': lambda: self.encode(self.plain.encode_video),
        }

    def clips(self) -> Sides:
        """Return the forward pass of the video tower on 1, 2, 4, ... clips, up to the batch."""
        encode = self.model.backbone.encode_video
        sides: Sides = {}
        number = 1
        while number <= len(self.video):
            sides[f'{number} clip{"s" * (number > 1)}'] = partial(self.encode, encode, number)
            number *= 2
        return sides


def class_names(number: int) -> list[str]:
    """Return the first Kinetics-400 class names; above 400, numbered copies of them."""
    names = read_labels('kinetics400')
    if number <= len(names):
        return names[:number]
    return numbered_names(number)


def numbered_names(number: int) -> list[str]:
    """Names of the same lengths however many there are: Kinetics-400 classes with 4 digits."""
    names = read_labels('kinetics400')
    return [f'{names[i % len(names)]} {i:04d}' for i in range(number)]


def _config(arch: Architecture, labels: list[str]) -> dict:
    fields = {k: v for k, v in vars(arch).items() if k != 'kind'}
    first = max(3, arch.layers - 4)
    return {
        'type': 'MSTARecognizer',
        'backbone': {
            'type': 'MSTABackbone',
            'foundation': {'type': 'ViCLIP', 'arch': fields},
            'adapter': {'type': 'MSTAAdapter', 'blocks': (first, arch.layers), 'dim': 128},
        },
        'cls_head': {'type': 'ConsistencyHead'},
        'labels': labels,
    }

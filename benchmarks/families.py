"""Models of every family beside their reference implementations' forward, in one run.

    python -m benchmarks.families [--only SigLIP] [--frames 8] [--classes 50] [--rounds 3]

Random weights: only shapes matter for time; that the values agree is what ``tests/foundation``
holds. The references, in evaluation mode and without a gradient: open_clip's CLIP (for Long-CLIP
with a context of 248) and Perception Encoder (around timm's tower), transformers' SigLIP, whose
clip is its frames in one batch; for ViCLIP, whose own code is not a package,
``benchmarks/plain.py``. A step (forward and backward of clip and texts) is compared with the
reference's forward of both. MSTA adapters are beside the last five blocks. Sides take turns, and
processor time counts, which other programs on the machine disturb least.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from projects.msta import compat
from projects.msta.evaluation.timing import relative

Encode = Callable[[Tensor], Any]
# Of ours with and without shortcuts, over the reference's forward of the same clip and texts.
COLUMNS = (
    'clip', 'clip, adapters', 'clip, adapters, no shortcuts', 'text', 'text, adapters, kept',
    'text, adapters, no shortcuts', 'step', 'step, no shortcuts',
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', choices=FAMILIES, help='one family')
    parser.add_argument('--frames', type=int, default=8, help='of a clip (%(default)s)')
    parser.add_argument('--classes', type=int, default=50, help='prompts (%(default)s)')
    parser.add_argument('--rounds', type=int, default=3, help='turns of each side (%(default)s)')
    parser.add_argument('--threads', type=int, default=1, help='of PyTorch (%(default)s)')
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    print(f'| model | reference | {" | ".join(COLUMNS)} |')
    print('|---' * (len(COLUMNS) + 2) + '|')
    for family, (kind, arch, reference, make) in FAMILIES.items():
        if args.only in (None, family):
            ratios = compare(kind, arch, make, args.frames, args.classes, args.rounds)
            cells = ' | '.join(f'{ratios[column]:.2f}' for column in COLUMNS)
            print(f'| {kind} {arch} | {reference} | {cells} |', flush=True)


def compare(
    kind: str,
    arch: str | dict[str, Any],
    make: Callable[[Any], tuple[Encode, Encode]],
    frames: int,
    classes: int,
    rounds: int,
) -> dict[str, float]:
    """Return ours over the reference's time for each of ``COLUMNS``; medians over the rounds."""
    compat.apply()
    from projects.msta.models import MSTABackbone

    adapter = {'type': 'MSTAAdapter', 'blocks': (8, 12), 'dim': 128}
    if not isinstance(arch, str):
        adapter |= {'blocks': (2, arch['layers']), 'dim': 8}
    ours = MSTABackbone(foundation={'type': kind, 'arch': arch}, adapter=adapter)
    image, text = make(ours)
    size, context = ours.foundation.arch.image_size, ours.foundation.context_length
    clip = torch.randn(1, 3, frames, size, size)
    tokens = _prompts(classes, context, ours.foundation.arch.vocab_size)
    sides = _sides(ours, clip, tokens)
    ratios = {}
    for part in ('clip', 'text', 'step'):
        turns = {name: once for name, once in sides.items() if name.startswith(part)}

        def reference(part: str = part) -> None:
            with torch.inference_mode():
                if part != 'text':
                    image(clip)
                if part != 'clip':
                    text(tokens)

        turns['reference'] = reference
        times: dict[str, list[float]] = {name: [] for name in turns}
        for number in range(1 + rounds):  # the first warms up
            for name, once in turns.items():
                start = time.process_time()
                once()
                if number:
                    times[name].append(time.process_time() - start)
        ratios |= relative(times, 'reference')
    return ratios


def _prompts(classes: int, context: int, vocabulary: int) -> Tensor:
    """As class names make them: a start, 3 to 8 words, an end, padding."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.zeros(classes, context, dtype=torch.int64)
    for row in tokens:
        length = int(torch.randint(3, min(9, context - 1), (), generator=generator))
        row[1 : 1 + length] = torch.randint(1, vocabulary - 2, (length,), generator=generator)
        row[0], row[1 + length] = vocabulary - 2, vocabulary - 1
    return tokens


def _sides(ours: Any, clip: Tensor, tokens: Tensor) -> Mapping[str, Callable[[], Any]]:
    from projects.msta.foundation import TextState

    model, adapter = ours.foundation, ours.adapter
    kept = ours.text_state(tokens)

    def every_row() -> Tensor:
        """The clip, the last block for all rows."""
        visual = model.visual
        layout = visual.layout(clip)
        x = visual.transformer(visual.embed(clip, layout), layout, adapter.video)
        return visual.project(x if visual.read_row is None else x[:, :1], layout)

    def every_token() -> Tensor:
        """The texts, padded, anew, the last block for all rows."""
        tower = model.text
        last = torch.full_like(tokens[:, 0], tokens.shape[1] - 1)
        ends = last if tower.arch.text_pooling == 'last' else tokens.argmax(-1)
        x = tower.token_embedding(tokens) + tower.positional_embedding
        layout = TextState(x, ends, 1, causal=tower.arch.causal).layout
        x = tower.transformer(x, layout, adapter.text)
        return tower._project(x[torch.arange(len(x)), ends])

    def step(video: Callable[[], Tensor], texts: Callable[[], Tensor]) -> None:
        cosine = F.normalize(video(), dim=-1) @ F.normalize(texts(), dim=-1).T
        loss = F.cross_entropy(model.logit_scale * cosine, torch.zeros(len(clip)).long())
        loss.backward()
        ours.zero_grad()

    return {
        'clip': torch.inference_mode()(lambda: model.encode_video(clip)),
        'clip, adapters': torch.inference_mode()(lambda: ours.encode_video(clip)),
        'clip, adapters, no shortcuts': torch.inference_mode()(every_row),
        'text': torch.inference_mode()(lambda: model.encode_text(tokens)),
        'text, adapters, kept': torch.inference_mode()(lambda: ours.encode_text(kept)),
        'text, adapters, no shortcuts': torch.inference_mode()(every_token),
        'step': lambda: step(lambda: ours.encode_video(clip), lambda: ours.encode_text(kept)),
        'step, no shortcuts': lambda: step(every_row, every_token),
    }


def stills(encode: Encode) -> Encode:
    """An encoder of images that takes a clip as a batch of them."""
    return lambda clip: encode(clip.transpose(1, 2).flatten(0, 1))


def plainly(ours: Any) -> tuple[Encode, Encode]:
    """ViCLIP of the same weights without any shortcut or adapter."""
    from .plain import PlainModel

    plain = PlainModel(SimpleNamespace(backbone=ours, cls_head=SimpleNamespace(alpha=0.0)))
    plain.video_adapters, plain.text_adapters = {}, {}
    return plain.encode_video, plain.encode_text


def open_clip(name: str) -> Callable[[Any], tuple[Encode, Encode]]:
    def make(ours: Any) -> tuple[Encode, Encode]:
        import open_clip

        context = ours.foundation.context_length
        model = open_clip.create_model(name, force_context_length=context).eval()
        return stills(model.encode_image), model.encode_text

    return make


def siglip(_: Any, **sizes: Any) -> tuple[Encode, Encode]:
    from transformers import SiglipConfig, SiglipModel

    model = SiglipModel(SiglipConfig(**sizes)).eval()
    return (
        stills(lambda pixels: model.get_image_features(pixel_values=pixels)),
        lambda tokens: model.get_text_features(input_ids=tokens),
    )


# Family -> type and preset of ours, the reference's name, and how it is made.
FAMILIES: dict[str, tuple[str, str, str, Callable[[Any], tuple[Encode, Encode]]]] = {
    'ViCLIP': ('ViCLIP', 'b16', 'benchmarks/plain.py', plainly),
    'CLIP': ('CLIP', 'b16', 'open_clip ViT-B-16', open_clip('ViT-B-16-quickgelu')),
    'Long-CLIP': ('CLIP', 'long_b16', 'open_clip ViT-B-16', open_clip('ViT-B-16-quickgelu')),
    'PE-Core': ('PerceptionEncoder', 'b16', 'open_clip PE-Core-B-16', open_clip('PE-Core-B-16')),
    'SigLIP': ('SigLIP', 'b16', 'transformers SiglipModel', siglip),
}


if __name__ == '__main__':
    main()

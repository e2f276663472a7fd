"""B-size models of every family beside their reference implementations, forward, in one run.

    python -m benchmarks.families [--frames 8] [--classes 100] [--rounds 5] [--threads 2]

Random weights: only shapes matter for time; that the values agree is what ``tests/foundation``
holds. The references are open_clip's CLIP and Perception Encoder (around timm's tower) and
transformers' SigLIP, each in evaluation mode; a reference's clip is its frames in one batch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import torch

from projects.msta import compat
from projects.msta.evaluation.timing import relative, take_turns
from projects.msta.foundation import build_foundation

Encode = Callable[[torch.Tensor], Any]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--frames', type=int, default=8, help='of a clip (%(default)s)')
    parser.add_argument('--classes', type=int, default=100, help='prompts (%(default)s)')
    parser.add_argument('--rounds', type=int, default=5, help='turns of each side (%(default)s)')
    parser.add_argument('--threads', type=int, default=2, help='of PyTorch (%(default)s)')
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    compat.apply()
    print('| model | reference | clip | text |')
    print('|---|---|---|---|')
    for kind, arch, name, make in FAMILIES:
        ratios = compare(kind, arch, make, args.frames, args.classes, args.rounds)
        print(f'| {kind} {arch} | {name} | {ratios[0]:.2f} | {ratios[1]:.2f} |', flush=True)


def compare(
    kind: str,
    arch: str | dict[str, Any],
    make: Callable[[], tuple[Encode, Encode]],
    frames: int,
    classes: int,
    rounds: int,
) -> tuple[float, float]:
    """Return ours over the reference's time, of a clip and of prompts; medians over the rounds."""
    ours = build_foundation({'type': kind, 'arch': arch}).eval()
    image, text = make()
    size, context = ours.arch.image_size, ours.context_length
    clip = torch.randn(1, 3, frames, size, size)
    stills = clip[0].transpose(0, 1).contiguous()
    # Prompts as class names make them: a start, 3 to 8 words, an end, padding.
    generator = torch.Generator().manual_seed(0)
    tokens = torch.zeros(classes, context, dtype=torch.int64)
    for row in tokens:
        length = int(torch.randint(3, 9, (), generator=generator))
        row[1 : 1 + length] = torch.randint(1000, 20000, (length,), generator=generator)
        row[0], row[1 + length] = 20001, 20002
    pairs = (
        {'ours': lambda: ours.encode_video(clip), 'reference': lambda: image(stills)},
        {'ours': lambda: ours.encode_text(tokens), 'reference': lambda: text(tokens)},
    )
    found = []
    with torch.inference_mode():
        for sides in pairs:
            for once in sides.values():
                once()  # warm up
            times = take_turns(sides, rounds, torch.device('cpu'))
            found.append(relative(times, 'reference')['ours'])
    return found[0], found[1]


def _open_clip(name: str) -> Callable[[], tuple[Encode, Encode]]:
    def make() -> tuple[Encode, Encode]:
        import open_clip

        model = open_clip.create_model(name).eval()
        return model.encode_image, model.encode_text

    return make


def _siglip() -> tuple[Encode, Encode]:
    from transformers import SiglipConfig, SiglipModel

    model = SiglipModel(SiglipConfig()).eval()
    return (
        lambda stills: model.get_image_features(pixel_values=stills),
        lambda tokens: model.get_text_features(input_ids=tokens),
    )


# kind, preset, what it is compared with
FAMILIES = (
    ('CLIP', 'b16', 'open_clip ViT-B-16', _open_clip('ViT-B-16-quickgelu')),
    ('PerceptionEncoder', 'b16', 'open_clip PE-Core-B-16', _open_clip('PE-Core-B-16')),
    ('SigLIP', 'b16', 'transformers SiglipModel', _siglip),
)


if __name__ == '__main__':
    main()

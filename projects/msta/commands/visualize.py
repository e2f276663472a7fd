"""What ``tools/visualize.py`` does."""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F

from ..adapters import FoundationAdapter
from ..inference.attention import cls_attention
from ..inference.inferencer import MSTAInferencer
from ..inference.pictures import draw_attention, draw_map, draw_norms, draw_similarities
from ..inference.sources import iter_sources
from ..labels import make_prompts
from ..training.config import ConfigError
from .infer import make_inferencer, stdout_is_for_results


def visualize(args: argparse.Namespace) -> None:
    """Draw the picture that was asked for."""
    draw = dict(attention=attention, similarity=similarity, norms=norms, map=embedding_map)
    args.batch_size = 8
    with stdout_is_for_results(), make_inferencer(args) as inferencer:
        draw[args.picture](args, inferencer)
    print(args.out)


def attention(args: argparse.Namespace, inferencer: MSTAInferencer) -> None:
    """Attention of the CLS token over the frames of a video's first view."""
    loaded = inferencer.loader.load(next(iter_sources(args.video)))
    if loaded.inputs is None:
        raise ConfigError(str(loaded.error))
    clip = loaded.inputs[0]
    weights = cls_attention(inferencer.model, clip, args.block)
    draw_attention(clip.permute(1, 2, 3, 0).numpy(), weights.numpy(), args.out)


def similarity(args: argparse.Namespace, inferencer: MSTAInferencer) -> None:
    """Cosines between the classes, by the frozen and by the trained text tower."""
    backbone = inferencer.model.backbone
    prompts = make_prompts(inferencer.labels, inferencer.templates[0])
    tokens = backbone.foundation.tokenize(prompts).to(inferencer.device)
    before = F.normalize(backbone.encode_text_frozen(tokens), dim=-1).cpu()
    after = inferencer.encode_texts(prompts)
    matrices = {'before training': before @ before.T, 'after training': after @ after.T}
    arrays = {name: matrix.numpy() for name, matrix in matrices.items()}
    draw_similarities(arrays, inferencer.labels, args.out)


def norms(args: argparse.Namespace, inferencer: MSTAInferencer) -> None:
    """Size of the trained weights by block."""
    found = adapter_norms(inferencer.model.backbone.adapter)
    if not found:
        raise ConfigError('the model has no adapters: give --checkpoint, or a config with adapters')
    draw_norms(found, args.out)


def adapter_norms(adapter: FoundationAdapter) -> dict[str, dict[str, float]]:
    """Root mean square of the trained weights (no biases), by block and part.

    The number in a parameter's name is its block; what stands behind it is the part.
    """
    sums: dict[str, dict[str, list[torch.Tensor]]] = {}
    for name, parameter in adapter.named_parameters():
        words = name.split('.')
        number = next((i for i, word in enumerate(words) if word.isdigit()), None)
        if name.endswith('bias') or name in adapter.shared:
            continue
        block = 'all' if number is None else words[number]
        rest = words if number is None else words[number + 1 :]
        sums.setdefault(block, {}).setdefault(rest[0], []).append(parameter.detach().flatten())
    return {
        block: {part: torch.cat(v).square().mean().sqrt().item() for part, v in parts.items()}
        for block, parts in sums.items()
    }


def embedding_map(args: argparse.Namespace, inferencer: MSTAInferencer) -> None:
    """Videos and classes in the plane."""
    videos, results = inferencer.encode_videos(args.videos)
    if not len(videos):
        raise ConfigError('; '.join(r.error for r in results if r.error) or 'no videos')
    classes = F.normalize(inferencer.classes, dim=-1).cpu()
    answers = (videos @ classes.T).argmax(1).tolist()
    draw_map(videos.numpy(), answers, classes.numpy(), inferencer.labels, args.out)

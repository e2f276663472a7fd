"""The two towers as graphs: tracing, writing and comparing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import register  # noqa: F401
from ..foundation import TextState, tokenize
from ..models import MSTARecognizer

TOLERANCE = 1e-4
OPSET = 18
INSTALL = 'pip install -r requirements/export.txt'
_ONE_FILE = 1_900_000_000  # bytes: an ONNX file holds 2 GB


class ExportError(RuntimeError):
    """A model that cannot be exported, or whose export computes something else."""


class VideoGraph(nn.Module):
    """Frames ``(B, T, H, W, 3)``, uint8 RGB, and classes ``(K, D)`` -> cosines, embeddings.

    ``cosines`` is ``(B, K)``, ``embeddings`` ``(B, D)``, of length 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: MSTARecognizer) -> None:
        super().__init__()
        self.backbone = model.backbone
        preprocessor = model.data_preprocessor
        self.register_buffer('mean', preprocessor.mean.detach().clone().view(-1))
        self.register_buffer('std', preprocessor.std.detach().clone().view(-1))

    def forward(self, frames: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        video = (frames.float() - self.mean) / self.std
        embeds = F.normalize(self.backbone.encode_video(video.permute(0, 4, 1, 2, 3)), dim=-1)
        return embeds @ F.normalize(classes, dim=-1).T, embeds


class TextGraph(nn.Module):
    """Token ids ``(N, L)`` -> embeddings ``(N, D)`` of length 1, by the adapted text tower."""

    def __init__(self, model: MSTARecognizer) -> None:
        super().__init__()
        self.backbone = model.backbone

    def forward(self, tokens: Tensor) -> Tensor:
        foundation = self.backbone.merged or self.backbone.foundation
        state = TextState(tokens, tokens.argmax(-1), 0)
        if self.backbone.merged is not None:
            return F.normalize(foundation.text.finish(state), dim=-1)
        return F.normalize(self.backbone.adapter.encode_text(foundation, state), dim=-1)


class Parity(NamedTuple):
    """The largest difference of an exported graph's outputs on some inputs."""

    graph: str
    inputs: int
    largest: float


def require_onnx() -> None:
    """Raise with the install command where an ONNX package is missing."""
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        try:
            __import__(package)
        except ImportError as error:
            raise ExportError(f'ONNX export needs the package {package}: {INSTALL}') from error


@dataclass
class Graph:
    """A module to export, with inputs to compare it on; the first ones are traced.

    ``free`` names their first dimensions, which may have any size.
    """

    name: str
    module: nn.Module
    inputs: list[dict[str, Tensor]]
    free: dict[str, str]
    outputs: list[str]

    @torch.no_grad()
    def trace(self) -> torch.export.ExportedProgram:
        sizes = {name: {0: torch.export.Dim(free)} for name, free in self.free.items()}
        try:
            return torch.export.export(
                self.module, (), dict(self.inputs[0]), dynamic_shapes=sizes, strict=True
            )
        except Exception as error:
            # Whatever the tracer meets in a method, its user can only choose another one.
            raise ExportError(f'the {self.name} tower cannot be traced: {error}') from error

    def write_program(self, program: torch.export.ExportedProgram, folder: Path) -> Parity:
        """Write ``<name>.pt2`` and compare what it computes once read back."""
        path = folder / f'{self.name}.pt2'
        torch.export.save(program, path)
        loaded = torch.export.load(path).module()
        return self._compare(path.name, lambda given: _as_tuple(loaded(**given)))

    def write_onnx(self, program: torch.export.ExportedProgram, folder: Path) -> Parity:
        """Write ``<name>.onnx`` and compare what ONNX Runtime computes."""
        import onnxruntime

        path = folder / f'{self.name}.onnx'
        converted = torch.onnx.export(
            program,
            (),
            kwargs=dict(self.inputs[0]),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(self.inputs[0]),
            output_names=self.outputs,
            verbose=False,
        )
        assert converted is not None
        num_bytes = sum(p.numel() * p.element_size() for p in self.module.parameters())
        converted.save(str(path), external_data=num_bytes > _ONE_FILE)
        session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])

        def run(given: dict[str, Tensor]) -> tuple[Tensor, ...]:
            arrays = {name: tensor.numpy() for name, tensor in given.items()}
            return tuple(torch.from_numpy(x) for x in session.run(None, arrays))

        return self._compare(path.name, run)

    @torch.no_grad()
    def _compare(self, name: str, run: Callable[[dict[str, Tensor]], Sequence[Tensor]]) -> Parity:
        largest = 0.0
        for given in self.inputs:
            for ours, theirs in zip(_as_tuple(self.module(**given)), run(given), strict=True):
                largest = max(largest, (ours - theirs).abs().max().item())
        if not largest <= TOLERANCE:
            raise ExportError(
                f'{name}: differs from the model by up to {largest:.2g} (allowed: {TOLERANCE:g}); '
                'nothing was written'
            )
        return Parity(name, len(self.inputs), largest)


def _as_tuple(outputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def make_graphs(model: MSTARecognizer, frames: int, size: int, text_length: int) -> list[Graph]:
    """Both towers on the CPU, with seeded inputs of several batch sizes and class counts."""
    model = model.cpu().eval()
    arch = model.backbone.foundation.arch
    generator = torch.Generator().manual_seed(0)

    def video(batch: int, classes: int) -> dict[str, Tensor]:
        shape = (batch, frames, size, size, 3)
        clip = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        return {
            'frames': clip,
            'classes': torch.randn(classes, arch.embed_dim, generator=generator),
        }

    def text(*texts: str) -> dict[str, Tensor]:
        if arch.tokenizer == 'clip':
            return {'tokens': tokenize(list(texts), text_length)}
        if text_length != arch.context_length:
            raise ExportError(
                f'text_length={text_length}: padding takes part in the attention of this text '
                f'tower, so its graph takes texts of {arch.context_length} tokens. Leave it out'
            )
        return {'tokens': model.backbone.foundation.tokenize(texts)}

    long = 'someone slowly opens a very old and heavy wooden door and walks away from it again'
    texts = [text('a video of running.', long), text('a video of swimming.', 'a', long), text('a')]
    clips = [video(2, 5), video(1, 2), video(3, 7)]
    free = {'frames': 'batch', 'classes': 'num_classes'}
    return [
        Graph('video', VideoGraph(model), clips, free, ['cosines', 'embeddings']),
        Graph('text', TextGraph(model), texts, {'tokens': 'num_texts'}, ['embeddings']),
    ]

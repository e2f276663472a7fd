"""Any labels, any video."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.structures import ActionDataSample
from torch import Tensor

from .. import register  # noqa: F401
from ..tokenizer import PromptWarning
from .loading import VideoLoader, by_shape
from .recognizers import choose_device, digest_of, open_model
from .rejection import Rejection, read_rejection
from .results import VideoResult
from .sources import iter_sources


class MSTAInferencer:
    """Recognises any list of classes in any video, with the test pipeline of its model.

    Shapes: V views per video, T frames, K classes, N texts, D joint width.

    Args:
        config: a config, its file, a preset (``'msta_vitb16_k400'``), or a foundation's weights.
            None: what ``checkpoint`` says of itself, else the shipped tiny model.
        checkpoint: trained adapters, or a foundation's weights; None for the frozen foundation.
        labels: class names, a file of them, or a shipped list; by default the config's own, else
            those that the checkpoint was trained on.
        device: a GPU where there is one.
        foundation: foundation weights, if not those that the config names.
        templates: one prompt with one ``{}``, or several, whose embeddings are averaged.
        none_of_these: a :class:`Rejection`, or a file of ``tools/calibrate.py``.
        threshold: the probability from which on a model for several labels per video shows one;
            by default what its checkpoint says.
        batch_size: videos decoded and run together.
        max_clips: views that go through the video tower at a time, which bounds its memory.
        workers: threads, each with a process that decodes.
        need_labels: False where :meth:`set_labels` will be called before the first video.
        config_or_preset: the name of ``config`` before version 0.2.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any] | None = None,
        checkpoint: str | Path | None = None,
        labels: str | Path | Sequence[str] | None = None,
        device: str | torch.device | None = None,
        *,
        foundation: str | Path | None = None,
        templates: str | Sequence[str] | None = None,
        none_of_these: Rejection | str | Path | None = None,
        threshold: float | None = None,
        batch_size: int = 8,
        max_clips: int = 32,
        workers: int = 2,
        need_labels: bool = True,
        config_or_preset: str | Path | Mapping[str, Any] | None = None,
    ) -> None:
        if config_or_preset is not None:
            warnings.warn(
                'MSTAInferencer(config_or_preset=...) is called config now, and the old name will '
                'go with the next release',
                DeprecationWarning,
                stacklevel=2,
            )
            if config is not None:
                raise TypeError('config and config_or_preset are one argument: give config')
            config = config_or_preset
        if batch_size < 1 or max_clips < 1:
            raise ValueError(f'batch_size={batch_size}, max_clips={max_clips}: at least 1 each')
        self.device = choose_device(device)
        model, self.pipeline = open_model(
            config,
            checkpoint,
            labels,
            foundation=foundation,
            templates=templates,
            need_labels=need_labels,
        )
        self.model = model.to(self.device)
        self.model.cls_head.set_threshold(threshold)
        self.loader = VideoLoader(self.pipeline, workers)
        self.batch_size, self.max_clips = batch_size, max_clips
        self.set_rejection(none_of_these)
        self._warn_of_one_label()

    def set_labels(
        self,
        labels: str | Path | Sequence[str],
        templates: str | Sequence[str] | None = None,
        descriptions: str | Path | Sequence[str] | None = None,
        description_weight: float = 0.5,
    ) -> None:
        """Recognise these classes from now on, as :meth:`MSTARecognizer.set_labels` has it.

        Lists that were used before are not encoded again.
        """
        self.model.set_labels(labels, templates, descriptions, description_weight)
        self._warn_of_one_label()
        self._check_rule()

    def _warn_of_one_label(self) -> None:
        one = self.model.labels and len(self.model.labels) == 1
        if one and not self.model.cls_head.multi_class:
            warnings.warn(
                f'there is one class, {self.labels[0]!r}: its probability is 1 whatever is shown; '
                'name what else it could be, or calibrate a rule for none_of_these',
                PromptWarning,
                stacklevel=3,
            )

    @property
    def labels(self) -> list[str]:
        """The class names, by class index."""
        return self.model.classes.current.labels

    @property
    def templates(self) -> list[str]:
        """The prompts, each with one ``{}``."""
        return self.model.templates

    @property
    def classes(self) -> Tensor:
        """Class embeddings ``(K, D)``, not normalised."""
        with torch.no_grad():
            return self.model.encode_classes()

    def set_rejection(self, rule: Rejection | str | Path | None) -> None:
        """Answer 'none of these' by this rule from now on; None always answers a label."""
        self.rejection = read_rejection(rule) if isinstance(rule, (str, Path)) else rule
        self._check_rule()

    def _check_rule(self) -> None:
        if self.rejection is not None:
            self.rejection.warn_of_misfit(self.labels, digest_of(self.model))

    def rejects(self, cosines: np.ndarray) -> np.ndarray:
        """Cosines ``(N, K)`` -> whether the answer is 'none of these', ``(N,)``."""
        if self.rejection is None:
            return np.zeros(len(cosines), dtype=bool)
        return self.rejection.rejects(cosines)

    def __call__(self, videos: Any, topk: int = 5) -> list[VideoResult]:
        """One result per video, in order: :meth:`iterate` to the end."""
        return list(self.iterate(videos, topk))

    def iterate(self, videos: Any, topk: int = 5) -> Iterator[VideoResult]:
        """Results one by one, as batches are done.

        ``videos``: a path, folder or glob; frames ``(T, H, W, 3)``, uint8 RGB, NumPy or torch; or a
        list or iterator of these. An unreadable one has a result that says so.
        """
        if topk < 1:
            raise ValueError(f'topk={topk} must be at least 1')
        for results, groups in self._batches(videos):
            for indices, inputs in groups:
                started = time.perf_counter()
                answers = zip(*self.score(inputs), strict=True)
                seconds = (time.perf_counter() - started) / len(indices)
                for index, answer in zip(indices, answers, strict=True):
                    results[index].timings['model'] = seconds
                    self._fill(results[index], *answer, topk)
            yield from results

    def _batches(
        self, videos: Any
    ) -> Iterator[tuple[list[VideoResult], list[tuple[list[int], Tensor]]]]:
        """Batches of results to fill, and the inputs of those that were read, by shape."""
        loaded = self.loader.load_all(iter_sources(videos), self.batch_size)
        for batch in batched(loaded, self.batch_size):
            results = [
                VideoResult(item.source.name, timings={'decode': item.seconds}, error=item.error)
                for item in batch
            ]
            yield results, by_shape([item.inputs for item in batch])

    @torch.inference_mode()
    def score(self, inputs: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Views ``(B, V, C, T, H, W)``, uint8 -> cosines, logits and scores, each ``(B, K)``."""
        return self.compare(self.embed(inputs), len(inputs))

    @torch.inference_mode()
    def compare(self, video: Tensor, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Embeddings of the views of ``batch`` videos -> cosines, logits and scores, ``(B, K)``."""
        head = self.model.cls_head
        scale = self.model.backbone.foundation.logit_scale
        logits = head((video, self.classes, scale))
        cosines = head.cosines(logits, scale)
        samples = head.predict_by_feat(logits, [ActionDataSample() for _ in range(batch)])
        scores = torch.stack([sample.pred_score for sample in samples])
        means = [x.unflatten(0, (batch, -1)).mean(1).cpu().numpy() for x in (cosines, logits)]
        return means[0], means[1], scores.cpu().numpy()

    def _fill(
        self,
        result: VideoResult,
        cosines: np.ndarray,
        logits: np.ndarray,
        scores: np.ndarray,
        topk: int,
    ) -> None:
        """Write the scores ``(K,)`` of a video into its result, the top k sorted.

        Of a model for several labels, all that reach the threshold are among them.
        """
        result.shown = self.shown(scores)
        order = np.argsort(-scores, kind='stable')[: max(topk, len(result.shown or ()))]
        result.labels = [self.labels[i] for i in order]
        result.probabilities = scores[order].tolist()
        result.cosines = cosines[order].tolist()
        result.logits = logits[order].tolist()
        result.scores = scores
        result.rejected = bool(self.rejects(cosines[None])[0])

    def shown(self, scores: np.ndarray) -> list[str] | None:
        """Scores ``(K,)`` -> the labels to show; see :meth:`ConsistencyHead.shown`."""
        indices = self.model.cls_head.shown(scores)
        return None if indices is None else [self.labels[k] for k in indices]

    def cosines(self, videos: Any) -> tuple[np.ndarray, list[str]]:
        """Cosines ``(N, K)`` of the readable videos, and what is wrong with the others."""
        results = list(self.iterate(videos, topk=len(self.labels)))
        rows = [dict(zip(r.labels, r.cosines, strict=True)) for r in results if r.ok]
        cosines = np.array([[row[label] for label in self.labels] for row in rows])
        return cosines.reshape(-1, len(self.labels)), [r.error for r in results if r.error]

    @torch.inference_mode()
    def embed(self, inputs: Tensor) -> Tensor:
        """Views ``(B, V, C, T, H, W)``, uint8 -> ``(B * V, D)``, not normalised."""
        clips = []
        for part in inputs.flatten(0, 1).split(self.max_clips):
            samples = [ActionDataSample() for _ in part]
            data = {'inputs': list(part.unsqueeze(1)), 'data_samples': samples}
            data = self.model.data_preprocessor(data, False)
            clips.append(self.model.backbone.encode_video(data['inputs'].flatten(0, 1)).float())
        return torch.cat(clips)

    def encode_videos(self, videos: Any) -> tuple[Tensor, list[VideoResult]]:
        """Embeddings ``(N, D)`` of length 1 of the readable videos, and a result for every video.

        The results carry names, timings and errors; row i belongs to the i-th that is ``ok``.
        """
        rows: list[Tensor] = []
        results: list[VideoResult] = []
        for batch, groups in self._batches(videos):
            results += batch
            found: dict[int, Tensor] = {}
            for indices, inputs in groups:
                means = mean_view(self.embed(inputs), len(indices)).cpu()
                found.update(zip(indices, means, strict=True))
            rows += [found[index] for index in sorted(found)]
        width = self.model.backbone.foundation.arch.embed_dim
        return torch.stack(rows) if rows else torch.empty(0, width), results

    def encode_texts(self, texts: str | Sequence[str]) -> Tensor:
        """Embeddings ``(N, D)`` of length 1 of any texts, taken as they are."""
        embeds = self.model.classes.texts([texts] if isinstance(texts, str) else texts)
        return F.normalize(embeds, dim=-1).cpu()

    def close(self) -> None:
        """End the decoding processes."""
        self.loader.close()

    def __enter__(self) -> MSTAInferencer:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


def mean_view(views: Tensor, videos: int) -> Tensor:
    """Embeddings ``(B * V, D)`` of the views of B videos -> one of length 1 each, ``(B, D)``."""
    return F.normalize(F.normalize(views, dim=-1).unflatten(0, (videos, -1)).mean(1), dim=-1)


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of up to ``size`` neighbours."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch

"""CoOp: context vectors in the place of a prompt's words (Zhou et al., IJCV 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..foundation import TextState, VideoLanguageModel
from ..tokenizer import encode
from .base import AdapterError, FoundationAdapter, check_positive


class CoOp(FoundationAdapter):
    """Learned vectors between the start token and the prompt, the same for every class.

    With the template ``'{}.'`` the text tower reads ``[V1]..[VM] <class>.``, as in the authors'
    code; another template's words stand behind the vectors. Vectors of a class's own are left
    out: they would bind the model to its training classes.

    Args:
        context: number of vectors M, random at the start (normal, std 0.02). M and the longest
            prompt must fit the text tower's context, or encoding raises ``FoundationError``.
        init: words to start from instead, with ``_`` for spaces (``'a_video_of'``); M is then
            their number of tokens.
    """

    def __init__(
        self, foundation: VideoLanguageModel, context: int = 16, init: str | None = None
    ) -> None:
        super().__init__(foundation)
        check_positive('context', context)
        self.init_ids = [] if init is None else encode(init.replace('_', ' '))
        if init is not None:
            if not self.init_ids:
                raise AdapterError(f'init={init!r} holds no words to start from')
            context = len(self.init_ids)
        # Start, at least one token of the class, and end must fit too.
        room = foundation.context_length - 3
        if context > room:
            raise AdapterError(
                f'{context} context vectors leave no room for a class name in the context of '
                f'{foundation.context_length} of this model: at most {room}'
            )
        self.context = nn.Parameter(torch.empty(context, foundation.arch.text_width))
        nn.init.normal_(self.context, std=0.02)
        self.foundation_loaded(foundation)

    @torch.no_grad()
    def foundation_loaded(self, foundation: VideoLanguageModel) -> None:
        """Take the embeddings of ``init``'s words."""
        if self.init_ids:
            self.context.copy_(foundation.text.token_embedding.weight[self.init_ids])

    def first_text_block(self, foundation: VideoLanguageModel) -> int:
        """Give 0: what is trained goes into the embedding."""
        return 0

    @property
    def trains_text(self) -> bool:
        return True

    def encode_text(self, foundation: VideoLanguageModel, state: TextState) -> Tensor:
        return foundation.text.finish(state, context=self.context)

"""The text tower: embeddings around the block stack.

Shapes: N texts, L tokens, W channels, D joint width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .architecture import Architecture, FoundationError
from .packing import Packing, pack
from .towers import Adapters
from .transformer import BlockSizes, TokenLayout, Transformer, in_float32


@dataclass(frozen=True)
class TextState:
    """Texts on their way through the tower: ``x`` enters block ``block``.

    The part below the first adapted block never changes, so its state is used again in every step.
    Block 0 is the embedding: ``x`` holds the token ids ``(N, L)``, ``eot`` ``(N,)`` where each text
    ends. From block 1 on the texts are packed: ``x`` ``(1, S, W)``, ``eot`` the place of each end
    in that row. In an exported graph, and where tokens see all others, they are not (``packing``
    None): ``x`` ``(N, L, W)``.
    """

    x: Tensor
    eot: Tensor
    block: int
    packing: Packing | None = None
    causal: bool = True

    @property
    def layout(self) -> TokenLayout:
        return TokenLayout('text', packing=self.packing, causal=self.causal)


class TextTower(nn.Module):
    """A text transformer: CLIP's, causal and read off at the end-of-text token (the largest id), or
    SigLIP's, where all tokens see all, padding too, and the last position is read.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.arch = arch
        width = arch.text_width
        self.token_embedding = nn.Embedding(arch.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(arch.context_length, width))
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        sizes = BlockSizes(
            width, arch.text_heads, arch.text_activation, arch.text_mlp_ratio, arch.text_norm_eps
        )
        self.transformer = Transformer(arch.text_layers, sizes)
        self.ln_final = nn.LayerNorm(width, arch.text_norm_eps)
        self.proj = nn.Parameter(width**-0.5 * torch.randn(width, arch.embed_dim))
        if arch.text_proj_bias:
            self.proj_bias = nn.Parameter(torch.zeros(arch.embed_dim))
        # What stands behind the end of text can be left out only where nothing before it sees it.
        self.cuts_texts = arch.causal and arch.text_pooling == 'argmax'

    def embed(self, tokens: Tensor, context: Tensor | None = None) -> TextState:
        """Token ids ``(N, L)`` -> the state before block 1.

        Under a causal mask what stands after the end-of-text token cannot reach it, and is left
        out. ``context`` ``(M, W)``, vectors in the place of words, is put behind the start token.
        """
        if tokens.ndim != 2 or tokens.shape[1] > self.arch.context_length:
            raise FoundationError(
                f'tokens are (N, L) with L at most {self.arch.context_length}, the context of this '
                f'model; got shape {tuple(tokens.shape)}. Use tokenize(texts, context_length='
                f'{self.arch.context_length})'
            )
        if not self.cuts_texts:
            return self._embed_whole(tokens, context)
        eot = tokens.argmax(-1)
        if torch.compiler.is_exporting():  # a graph cannot depend on the values of its inputs
            length = tokens.shape[1]
        else:
            self._check_ids(tokens)
            length = int(eot.max()) + 1 if len(tokens) else 1
        x = self.token_embedding(tokens[:, :length])
        if context is not None:
            if length + len(context) > self.arch.context_length:
                room = self.arch.context_length
                raise FoundationError(
                    f'a text of {length} tokens and {len(context)} context vectors do not fit the '
                    f'context of {room} of this model: take at most {max(room - length, 0)} '
                    'context vectors, or shorter texts'
                )
            x = torch.cat([x[:, :1], context.expand(len(x), -1, -1), x[:, 1:]], dim=1)
            eot = eot + len(context)
        x = x + self.positional_embedding[: x.shape[1]]
        if torch.compiler.is_exporting() or not len(tokens):
            return TextState(x, eot, 1)
        x, eot, packing = pack(x, tokens, 0 if context is None else len(context))
        return TextState(x, eot, 1, packing)

    def _embed_whole(self, tokens: Tensor, context: Tensor | None) -> TextState:
        """All positions of all texts: each of them matters."""
        length = self.arch.context_length
        if context is not None or tokens.shape[1] != length:
            cut = f'texts of {tokens.shape[1]} tokens instead of {length}'
            problem = cut if context is None else 'vectors in the place of words'
            raise FoundationError(
                f'{problem} do not fit this text tower: padding takes part in its attention, so '
                f'every text fills the context of {length}. Use model.tokenize(texts)'
            )
        if not torch.compiler.is_exporting():
            self._check_ids(tokens)
        last = self.arch.text_pooling == 'last'
        eot = torch.full_like(tokens[:, 0], length - 1) if last else tokens.argmax(-1)
        x = self.token_embedding(tokens) + self.positional_embedding
        return TextState(x, eot, 1, causal=self.arch.causal)

    def _check_ids(self, tokens: Tensor) -> None:
        if len(tokens) and int(tokens.max()) >= self.arch.vocab_size:
            raise FoundationError(
                f'token id {int(tokens.max())} is outside the vocabulary of {self.arch.vocab_size}'
            )

    def advance(self, state: TextState, block: int) -> TextState:
        """Run the frozen part below ``block``, without adapters."""
        if block == 0:
            return state
        state = self._embedded(state)
        x = self.transformer(state.x, state.layout, start=state.block, stop=block - 1)
        return replace(state, x=x, block=block)

    def finish(
        self, state: TextState, adapters: Adapters | None = None, context: Tensor | None = None
    ) -> Tensor:
        """From a state to text embeddings ``(N, D)``, not normalised; ``context`` as in
        :meth:`embed`, for a state at block 0.
        """
        state = self._embedded(state, context)
        x = self.transformer(
            state.x, state.layout, adapters, start=state.block, pool_rows=state.eot
        )
        return in_float32(self._project, x[:, 0])

    def _project(self, x: Tensor) -> Tensor:
        x = self.ln_final(x) @ self.proj
        return x + self.proj_bias if self.arch.text_proj_bias else x

    def _embedded(self, state: TextState, context: Tensor | None = None) -> TextState:
        return self.embed(state.x, context) if state.block == 0 else state

    def forward(self, tokens: Tensor, adapters: Adapters | None = None) -> Tensor:
        """Token ids ``(N, L)`` -> ``(N, D)``, not normalised."""
        return self.finish(self.embed(tokens), adapters)

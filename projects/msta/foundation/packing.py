"""Texts side by side in one row of tokens: what they begin with once, and no padding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """Where N texts lie in one row of S tokens.

    First the ``shared`` tokens that all texts begin with ("a video of"): under a causal mask they
    are the same in every text, so they are computed once. Then the texts' own tokens, one text
    after the other. Only attention tells texts apart; everything else works token by token.

    ``places`` ``(S - shared,)``: where each own token stands in a padded batch ``(N * longest,)``.
    ``lengths`` ``(N,)``: own tokens of each text.
    """

    shared: int
    longest: int
    places: Tensor
    lengths: Tensor

    def attend(self, qkv: Tensor, heads: int, rows: Tensor | None) -> Tensor:
        """Causal attention of each text: ``(1, S, 3 W)`` -> ``(1, S, W)``.

        With ``rows`` ``(N,)``, each text's last token, only these: ``(N, 1, W)``.
        """
        count, size, width = len(self.lengths), self.longest, qkv.shape[-1]
        flat = qkv.new_zeros(count * size, width).index_copy(0, self.places, qkv[0, self.shared :])
        begin, own = (
            x.unflatten(2, (3, heads, width // heads // 3)).permute(2, 0, 3, 1, 4)
            for x in (qkv[:, : self.shared], flat.view(count, size, width))
        )  # three of (1, heads, shared, w), three of (N, heads, M, w)
        keys, values = (
            torch.cat([begin[part].expand(count, -1, -1, -1), own[part]], dim=2) for part in (1, 2)
        )
        if rows is not None:
            queries = qkv[0, rows, : width // 3].view(count, heads, 1, -1)
            places = torch.arange(self.shared + size, device=qkv.device)
            seen = (places < self.shared + self.lengths.view(-1, 1))[:, None, None]
            attended = F.scaled_dot_product_attention(queries, keys, values, seen)
            return attended.transpose(1, 2).flatten(2)
        seen = torch.ones(size, self.shared + size, dtype=torch.bool, device=qkv.device)
        seen = seen.tril(self.shared)
        attended = F.scaled_dot_product_attention(own[0], keys, values, seen)
        ends = attended.transpose(1, 2).flatten(2).flatten(0, 1).index_select(0, self.places)
        if self.shared == 0:
            return ends[None]
        first = F.scaled_dot_product_attention(begin[0], begin[1], begin[2], is_causal=True)
        return torch.cat([first.transpose(1, 2).flatten(2), ends[None]], dim=1)


def pack(x: Tensor, tokens: Tensor, inserted: int = 0) -> tuple[Tensor, Tensor, Packing]:
    """Embedded texts ``(N, L, W)`` -> their row ``(1, S, W)``, each end's place in it, the packing.

    ``tokens`` ``(N, L - inserted)`` are their ids; ``inserted`` vectors, the same for all texts,
    stand behind the first token. Every text keeps its end-of-text token as its own.
    """
    ends = tokens.argmax(-1)
    differs = (tokens != tokens[:1]).any(0).int()
    alike = int(differs.argmax()) if bool(differs.any()) else tokens.shape[1]
    shared = min(alike, int(ends.min()))
    shared += inserted if shared else 0
    lengths = ends + 1 + inserted - shared
    longest = int(lengths.max())
    is_own = torch.arange(longest, device=x.device) < lengths.view(-1, 1)  # (N, M)
    own = x[:, shared : shared + longest][is_own]
    row = torch.cat([x[0, :shared], own])[None]
    places = is_own.flatten().nonzero().squeeze(1)
    return row, shared + lengths.cumsum(0) - 1, Packing(shared, longest, places, lengths)

"""Renaming the keys of a state dict by tables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

StateDict = dict[str, Tensor]

# One transformer block, OpenAI's names -> ours; ViCLIP and OpenCLIP use the same ones.
BLOCK = {
    'attn.in_proj_weight': 'attn.qkv.weight',
    'attn.in_proj_bias': 'attn.qkv.bias',
    'attn.out_proj.': 'attn.out.',
    'mlp.c_fc.': 'mlp.fc.',
    'mlp.c_proj.': 'mlp.proj.',
    'ln_1.': 'ln_1.',
    'ln_2.': 'ln_2.',
}
# Facts about the original model that files carry beside the weights.
_IGNORED = re.compile(
    r'^(input_resolution|context_length|vocab_size|attn_mask|visual\.attn_mask)$|position_ids$'
)


def rename(key: str, table: Mapping[str, str], block_table: Mapping[str, str]) -> str:
    for old, new in table.items():
        if key.startswith(old):
            key = new + key[len(old) :]
            break
    head, sep, rest = key.partition('.blocks.')
    if sep:
        number, _, rest = rest.partition('.')
        for old, new in block_table.items():
            if rest.startswith(old):
                rest = new + rest[len(old) :]
                break
        key = f'{head}.blocks.{number}.{rest}'
    return key


def rename_all(
    state: Mapping[str, Tensor], table: Mapping[str, str], block_table: Mapping[str, str]
) -> StateDict:
    return {
        rename(key, table, block_table): value.float()
        for key, value in state.items()
        if not _IGNORED.search(key)
    }

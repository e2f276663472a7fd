"""Tokenizers that come with their weights: ``tokenizer.json`` of a Hugging Face folder."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from .architecture import Architecture, FoundationError

FILE = 'tokenizer.json'
_CONFIG = 'tokenizer_config.json'
_NO_PUNCTUATION = str.maketrans('', '', string.punctuation)


class FileTokenizer:
    """Texts to ids as SigLIP takes them: cut to the context, ended, and padded to the whole of it.

    What stands before the file's own rules is the models' training: SigLIP's lower case without
    punctuation (``canonicalize`` of big_vision), SigLIP 2's lower case.

    Raises:
        FoundationError: the files are missing or damaged, name no padding or end of text, put no
            end behind a text, or know more tokens than the model.
    """

    def __init__(self, folder: Path, arch: Architecture) -> None:
        path = folder / FILE
        if not path.is_file():
            raise FoundationError(
                f'{path} is missing: the texts of this model are cut into tokens by it. Put the '
                f"publisher's {FILE} and {_CONFIG} beside the weights"
            )
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises Exception itself
            raise FoundationError(f'{path}: not a tokenizer that can be read ({error})') from error
        self._canonical = arch.tokenizer == 'siglip'
        self._length = arch.context_length
        vocabulary = sorted(self._tokenizer.get_vocab().items(), key=lambda item: item[1])
        # Not of the file: saved once more, it is ordered otherwise.
        self.digest = hashlib.blake2b(repr(vocabulary).encode(), digest_size=16).hexdigest()
        largest = vocabulary[-1][1]
        if largest >= arch.vocab_size:
            raise FoundationError(
                f'{path} has token ids up to {largest}, the model {arch.vocab_size} tokens: it is '
                "another model's tokenizer"
            )
        self._pad, self._end = (self._special(folder / _CONFIG, n) for n in ('pad', 'eos'))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        ids = self._tokenizer.encode('a').ids
        plain = self._tokenizer.encode('a', add_special_tokens=False).ids
        if ids != [*plain, self._end]:
            raise FoundationError(
                f'{path} turns a text into {ids}, not into its tokens {plain} and the end of text '
                f'{self._end}: the model was not trained on such texts'
            )

    def _special(self, config: Path, name: str) -> int:
        try:
            said: Any = json.loads(config.read_text(encoding='utf-8'))[f'{name}_token']
            token = said['content'] if isinstance(said, dict) else said
            found = self._tokenizer.token_to_id(token)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FoundationError(f'{config} does not say {name}_token ({error!r})') from error
        if found is None:
            raise FoundationError(f'{config} says {name}_token={token!r}, which {FILE} has not')
        return found

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Texts -> token ids ``(N, L)``, int64, L the whole context."""
        rows = [self.encode_whole(text) for text in texts]
        cut = [r if len(r) <= self._length else [*r[: self._length - 1], self._end] for r in rows]
        padded = [row + [self._pad] * (self._length - len(row)) for row in cut]
        return torch.tensor(padded, dtype=torch.int64).view(len(texts), self._length)

    def encode_whole(self, text: str) -> list[int]:
        """The ids of a text, of any length, and the end of text."""
        return self._tokenizer.encode(' '.join(self._cleaned(text).split())).ids

    def _cleaned(self, text: str) -> str:
        return text.lower().translate(_NO_PUNCTUATION) if self._canonical else text.lower()

    def __deepcopy__(self, memo: dict[int, Any]) -> FileTokenizer:
        return self  # never changes

"""CLIP's byte-pair encoding: text to token ids, equal to OpenAI's for any input.

The vocabulary is the published ``bpe_simple_vocab_16e6.txt.gz``, read from the installed
``open_clip`` package without importing it (that would load PyTorch). Merging is done by Hugging
Face ``tokenizers``; clean-up and word splitting follow ``clip/simple_tokenizer.py`` of
``openai/CLIP``, which CLIP and ViCLIP share.
"""

import gzip
import html
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import ftfy
import regex
from tokenizers.models import BPE

from .spelling import few

SOT = 49406
EOT = 49407
VOCAB_SIZE = 49408

_SPECIAL = {'<|startoftext|>': SOT, '<|endoftext|>': EOT}
_NUM_MERGES = VOCAB_SIZE - 2 - 2 * 256
_WORD = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    regex.IGNORECASE,
)
_SPACE = regex.compile(r'\s+')


class PromptWarning(UserWarning):
    """Class names that the text model cannot tell from others, or sees in part."""


def encode(text: str) -> list[int]:
    """Return the ids of a text, without start and end tokens and of any length.

    As in OpenAI's tokenizer, the literals ``<|startoftext|>`` and ``<|endoftext|>`` inside a text
    become the special ids.
    """
    ids: list[int] = []
    for word in _WORD.findall(_clean(text)):
        ids.extend(_encode_word(word))
    return ids


def encode_whole(text: str) -> list[int]:
    """Return the ids of a text with start and end tokens, of any length."""
    return [SOT, *encode(text), EOT]


def count_tokens(text: str) -> int:
    """Return how many positions of CLIP's context a text takes, start and end tokens included."""
    return len(encode_whole(text))


def tokenize(texts: Sequence[str], context_length: int = 77) -> list[list[int]]:
    """Return one row of ``context_length`` ids per text: start, ids, end, then zeros.

    A longer text is cut and its row ends in the end-of-text id.

    Raises:
        ValueError: a context without room for start, one token and end.
        TypeError: one text instead of a list of texts.
    """
    if context_length < 3:
        raise ValueError(
            f'context_length is {context_length}: at least 3 positions are needed for the start '
            'token, one of the text and the end token'
        )
    if isinstance(texts, str):
        raise TypeError(f'texts is the single text {texts!r}: give a list of texts')
    rows = []
    for text in texts:
        ids = [SOT, *encode(text)[: context_length - 2], EOT]
        rows.append(ids + [0] * (context_length - len(ids)))
    return rows


def warn_of_prompts(
    labels: Sequence[str],
    prompts: Sequence[str],
    context_length: int,
    encode_whole: Callable[[str], Sequence[int]] = encode_whole,
) -> None:
    """Warn of prompts that the text model sees only in part, or as the same as another class's.

    It reads lower case, and the first ``context_length`` tokens. ``encode_whole``: a text's ids of
    any length, the end token included, by the model's tokenizer.
    """
    seen: dict[tuple[int, ...], str] = {}
    long, same = [], []
    for label, prompt in zip(labels, prompts, strict=True):
        ids = encode_whole(prompt)
        if len(ids) > context_length:
            long.append(f'{_short(label)} ({len(ids)} tokens)')
        first = seen.setdefault(tuple(ids[: context_length - 1]), label)
        if first != label:
            same.append(f'{_short(first)} and {_short(label)}')
    if long:
        warnings.warn(
            f'{len(long)} class names take more than the {context_length} tokens of the text '
            f'model, which sees only their beginning: {few(long)}',
            PromptWarning,
            stacklevel=3,
        )
    if same:
        warnings.warn(
            f'{len(same)} pairs of class names are the same to the text model, so that their '
            f'scores are equal: {few(same)}',
            PromptWarning,
            stacklevel=3,
        )


def _short(text: str, most: int = 80) -> str:
    return repr(text) if len(text) <= most else f'{text[:most]!r}...'


def _clean(text: str) -> str:
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return _SPACE.sub(' ', text.strip()).strip().lower()


@lru_cache(maxsize=1 << 16)
def _encode_word(word: str) -> tuple[int, ...]:
    if word in _SPECIAL:
        return (_SPECIAL[word],)
    symbols = ''.join(_byte_symbols()[byte] for byte in word.encode('utf-8'))
    return tuple(token.id for token in _bpe().tokenize(symbols))


@lru_cache(maxsize=1)
def _byte_symbols() -> list[str]:
    """Return the printable character that stands for each byte value (GPT-2's table)."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    shifted = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(shifted)) for byte in range(256)]


@lru_cache(maxsize=1)
def _bpe() -> BPE:
    with gzip.open(_vocabulary_path(), 'rt', encoding='utf-8') as file:
        lines = file.read().split('\n')[1 : _NUM_MERGES + 1]
    merges = [(left, right) for left, right in (line.split() for line in lines)]
    # OpenAI's order of the 256 single symbols: printable bytes first, then the shifted ones.
    symbols = sorted(_byte_symbols())
    tokens = symbols + [f'{symbol}</w>' for symbol in symbols]
    tokens += [left + right for left, right in merges]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return BPE(vocabulary, merges, end_of_word_suffix='</w>')


def _vocabulary_path() -> Path:
    spec = importlib.util.find_spec('open_clip')
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "CLIP's vocabulary is read from the package open-clip-torch, which is not installed: "
            'pip install -r requirements.txt'
        )
    return Path(spec.origin).with_name('bpe_simple_vocab_16e6.txt.gz')

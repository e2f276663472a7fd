"""The tokenizer's ids against the reference implementation's, on ordinary and hostile texts."""

import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from projects.msta import tokenizer
from projects.msta.labels import read_labels
from projects.msta.tokenizer import EOT, SOT, count_tokens, encode, tokenize

ROOT = Path(__file__).resolve().parents[1]


@cache
def reference():
    """open_clip's copy of OpenAI's tokenizer, given back OpenAI's two special literals."""
    # The one file, because the whole package needs a working torchvision.
    folder = Path(importlib.util.find_spec('open_clip').origin).parent
    spec = importlib.util.spec_from_file_location('_reference_bpe', folder / 'tokenizer.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.SimpleTokenizer()
    for literal, index in (('<|startoftext|>', SOT), ('<|endoftext|>', EOT)):
        model.encoder[literal] = index
        model.cache[literal] = literal
    model.pat = regex.compile(
        r'<\|startoftext\|>|<\|endoftext\|>|' + model.pat.pattern.split('|', 2)[2],
        regex.IGNORECASE,
    )
    return model


HOSTILE = [
    '',
    '   \t\r\n  ',
    '\u200b\u200b',
    'zero\u200bwidth\u2060joiner\ufeff',
    '👩‍👩‍👧‍👦 dancing 🕺🏽 é e\u0301 ﬁ ﷽',
    'مرحبا \u202eevil rtl\u202c שלום',
    'nul \x00 bell \x07 escape \x1b[31m del \x7f c1 \x85 fs \x1c us \x1f',
    '&amp;lt;b&amp;gt; &#x27;s &#39;t &nbsp; &#0; &#xD800; &notanentity; &amp;amp;amp;',
    'schÃ¶n â€œquotedâ€\x9d cafÃ©',
    'lone surrogate \ud800 end \udfff',
    '<|startoftext|> <|endoftext|> <|ENDOFTEXT|> <start_of_text><end_of_text>',
    "it's IT'S we've I'll he'd don't '\u017f ''''s",
    '1234567890 ¼ Ⅷ ٣ 3.14e-5',
    'İstanbul ẞ ŉ ǅ',
    '中文字符 日本語 한국어 ไทย',
    '!?!?!?...---___***```///\\\\\\',
    'line\u2028separator\u2029paragraph\u3000ideographic\xa0space\u180e',
    'ab' * 5000,
    'aaa ' * 3000,
    'Supercalifragilisticexpialidocious' * 20,
]


@pytest.mark.parametrize('text', HOSTILE, ids=lambda text: repr(text[:20]))
def test_hostile_texts_equal_the_reference(text):
    assert encode(text) == reference().encode(text)


@pytest.mark.parametrize('name', ['kinetics400', 'kinetics600', 'ucf101', 'hmdb51', 'ssv2'])
def test_class_names_equal_the_reference(name):
    labels = read_labels(name)
    differing = [label for label in labels if encode(label) != reference().encode(label)]
    assert not differing


def test_long_prose_equals_the_reference():
    pages = [path.read_text(encoding='utf-8') for path in (ROOT / 'projects' / 'msta').glob('*.py')]
    assert sum(map(len, pages)) > 5000
    for page in pages:
        assert encode(page) == reference().encode(page)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=80))
@example("'s'T'Re")
def test_any_text_equals_the_reference(text):
    assert encode(text) == reference().encode(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*"'stre <|>&;#x27", 'startoftext', 'amp', 'ï', '\n', '3', '中'])))
def test_texts_around_the_pattern_equal_the_reference(parts):
    text = ''.join(parts)
    assert encode(text) == reference().encode(text)


def test_published_ids_of_a_prompt():
    # The ids that OpenAI's CLIP gives for 'a photo of a cat'.
    assert encode('a photo of a cat') == [320, 1125, 539, 320, 2368]


def test_rows_are_padded_or_cut_to_the_context():
    short, long = tokenize(['a video of abseiling.', 'word ' * 100], 32)
    assert len(short) == len(long) == 32
    ids = encode('a video of abseiling.')
    assert short == [SOT, *ids, EOT] + [0] * (30 - len(ids))
    assert long == [SOT, *encode('word ' * 30), EOT]
    assert count_tokens('a video of abseiling.') == len(ids) + 2


def test_rows_equal_the_reference():
    texts = [*HOSTILE, *read_labels('kinetics400')]
    for context in (77, 32):
        assert tokenize(texts, context) == reference()(texts, context).tolist()


def test_tokenize_refuses_unusable_arguments():
    with pytest.raises(ValueError, match='context_length is 2'):
        tokenize(['a'], 2)
    with pytest.raises(TypeError, match='give a list'):
        tokenize('a video')


def test_ids_stay_in_the_vocabulary():
    everything = ''.join(map(chr, [*range(1, 0xD800, 7), *range(0xE000, 0x11000)]))
    ids = encode(everything)
    assert ids and min(ids) >= 0 and max(ids) < tokenizer.VOCAB_SIZE


def test_neither_torch_nor_open_clip_is_imported():
    code = (
        'import sys; from projects.msta import labels, tokenizer; tokenizer.encode("a"); '
        'sys.exit(bool({"torch", "open_clip", "numpy"} & set(sys.modules)))'
    )
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0

"""What the test server answers: good phrases, the same ones for a class each time, and bad ones."""

import json
import random

# An endpoint that repeats the key it was sent, in answers and in error messages.
KEY_IN_ANSWERS = 'sk-test-0123456789abcdef'
CONNECTION_FAULTS = (
    '429',
    '429 retry-after',
    '429 date',
    '500',
    '502',
    '503',
    'drop',
    'hang',
    'cut body',
    'no json',
)
CONTENT_FAULTS = (
    'truncated',
    'count',
    'refusal',
    'duplicate',
    'language',
    'chinese',
    'long',
    'markdown',
    'meta',
    'name only',
    'empty',
    'nothing',
    'types',
    'length',
    'lone think',
    'open think',
    'other think',
    'channel',
    'draft and cut',
)
PLACES = [
    'kitchen',
    'garden',
    'stadium',
    'workshop',
    'beach',
    'office',
    'forest',
    'bathroom',
    'hall',
    'street',
]
OBJECTS = [
    'wooden board',
    'red rope',
    'metal bowl',
    'blue towel',
    'long stick',
    'glass jar',
    'old strap',
]
VERBS = ['lifting', 'turning', 'pushing', 'pulling', 'lowering', 'swinging', 'pressing', 'folding']
PARTS = [
    'both hands',
    'the left arm',
    'bent knees',
    'the fingertips',
    'one shoulder',
    'the right foot',
]


def good_phrases(name: str, num: int, max_words: int = 12) -> dict[str, list[str]]:
    """Return phrases that pass every check, always the same for a class."""
    draw = random.Random(name)
    places, objects = draw.sample(PLACES, len(PLACES)), draw.sample(OBJECTS, len(OBJECTS))
    verbs, parts = draw.sample(VERBS, len(VERBS)), draw.sample(PARTS, len(PARTS))
    spatial = [f'a {objects[i % 7]} in a {places[i % 10]}' for i in range(num)]
    ending = [f' with {part}' if max_words > 5 else '' for part in parts]
    temporal = [f'{verbs[i % 8]} it{ending[i % 6]}' for i in range(num)]
    return {'spatial': spatial, 'temporal': temporal}


def spoil(kind: str | None, name: str, num: int, max_words: int = 12) -> str:
    """Return the answer's text, with the given fault."""
    data = good_phrases(name, num, max_words)
    text = json.dumps(data)
    if kind is None:
        return text
    spoiled: dict[str, dict] = {
        'count': {**data, 'spatial': [*data['spatial'], 'one more thing on top']},
        'duplicate': {**data, 'temporal': [data['temporal'][0]] * num},
        'language': {**data, 'spatial': ['una persona con el pelo en la mano'] * num,
                     'temporal': ['levantar el brazo con la mano en el aire por favor'] * num},
        'chinese': {**data, 'spatial': ['一个人在厨房里' + str(i) for i in range(num)]},
        'long': {**data, 'spatial': ['a very long view of ' + 'many different things ' * 30] * num},
        'markdown': {**data, 'spatial': [f'**{text}** shown' for text in data['spatial']]},
        'meta': {**data, 'spatial': ['as an AI I cannot watch videos'] * num},
        'name only': {**data, 'temporal': [f'the {name}'] * num},
        'empty': {**data, 'spatial': [''] * num},
        'types': {**data, 'spatial': [{'text': text} for text in data['spatial']]},
        'extra keys': {**data, 'note': 'hello', 'confidence': 1},
    }  # fmt: skip
    if kind in spoiled:
        return json.dumps(spoiled[kind], ensure_ascii=False)
    return {
        'truncated': text[: len(text) // 2],
        'length': text[: len(text) // 2],
        'lone think': f'First: {text} Too plain.</think>',
        'open think': f'<think>First: {text} Too plain',
        'other think': f'[THINK]First: {text} Too plain',
        'channel': f'<|channel|>analysis<|message|>First: {text} Too plain',
        'draft and cut': f'{text}\nNo, better:\n{text[: len(text) // 2]}',
        'refusal': "I'm sorry, but I cannot help with that.",
        'nothing': '',
        'fenced': f'Sure! Here you go:\n```json\n{text}\n```\nHope this helps!',
        'thinking': f'<think>Maybe {{"spatial": ["x"]}}?</think>\n{text}',
        'end mark': f'Maybe {{"spatial": ["x"], "temporal": ["y"]}}?\n</think>\n{text}',
        'channels': f'<|channel|>analysis<|message|>{{"spatial": []}}<|end|><|start|>assistant'
                    f'<|channel|>final<|message|>{text}',
        'numbered': json.dumps({key: [f'{i}. "{t}."' for i, t in enumerate(data[key], 1)]
                                for key in data}),
        'sentences': json.dumps({
            'spatial': [f'A video about {t}.' for t in data['spatial']],
            'temporal': [f'A video of {name} generally involves the following step: {t}, '
                         'which is a sub-step.' for t in data['temporal']]}),
    }[kind]  # fmt: skip

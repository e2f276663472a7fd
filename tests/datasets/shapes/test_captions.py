import numpy as np

from projects.msta.datasets.shapes.captions import fits, plain_caption, sample_caption, scene_facts
from projects.msta.datasets.shapes.classes import ACTIONS, all_actions, spatial_descriptions
from projects.msta.datasets.shapes.scenes import DOMAINS, Scene, sample_scene
from projects.msta.tokenizer import count_tokens

TIMES = np.linspace(0, 1, 4)


def scene_of(action, seed=0) -> Scene:
    return sample_scene(action, DOMAINS['plain'], TIMES, np.random.default_rng(seed))


def test_captions_of_a_scene_are_true_of_it_and_short_enough():
    rng = np.random.default_rng(0)
    for action in all_actions():
        scene = scene_of(action)
        captions = [sample_caption(scene, rng) for _ in range(20)]
        assert fits(np.array([scene_facts(scene)]), captions).all()
        assert max(count_tokens(caption.text) for caption in captions) <= 48


def test_adjectives_are_the_drawn_colour_and_size():
    rng = np.random.default_rng(1)
    scene = scene_of(ACTIONS[0])
    texts = {sample_caption(scene, rng, rich=1.0).text for _ in range(50)}
    subject = f'{scene.size} {scene.colour} {ACTIONS[0].shape}'
    assert any(subject in text for text in texts)
    assert len(texts) == 4  # with or without either adjective


def test_plain_captions_tell_every_action_apart():
    facts = np.array([scene_facts(scene_of(action)) for action in ACTIONS])
    assert np.array_equal(
        fits(facts, [plain_caption(action) for action in ACTIONS]), np.eye(len(ACTIONS), dtype=bool)
    )


def test_a_spatial_sentence_is_true_of_the_reversed_action_too():
    action = ACTIONS[0]
    rng = np.random.default_rng(2)
    captions = [sample_caption(scene_of(action), rng, rich=0.0) for _ in range(200)]
    look = next(c for c in captions if c.text == spatial_descriptions(action)[0])
    facts = np.array([scene_facts(scene_of(a)) for a in (action, action.reversed, ACTIONS[-1])])
    assert fits(facts, [look])[:, 0].tolist() == [True, True, False]


def test_a_caption_with_the_wrong_colour_does_not_fit():
    scene, other = scene_of(ACTIONS[0], seed=1), scene_of(ACTIONS[0], seed=2)
    assert scene.colour != other.colour
    rng = np.random.default_rng(3)
    captions = [sample_caption(scene, rng, rich=1.0) for _ in range(40)]
    coloured = [caption for caption in captions if scene.colour in caption.text]
    assert coloured
    assert not fits(np.array([scene_facts(other)]), coloured).any()

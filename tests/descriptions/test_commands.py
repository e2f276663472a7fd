"""Checking, importing and exporting description files."""

import json

import pytest

from projects.msta.descriptions import Descriptions, read_descriptions, write_descriptions
from projects.msta.descriptions.check import examine, phrase

NAMES = ['abseiling', 'air drumming', 'ApplyEyeMakeup', 'baking cookies']
STEP = 'A video of {} generally involves the following step: {}, which is a sub-step.'


@pytest.fixture
def published(tmp_path):
    """A pair in the authors' form, with class names as they wrote them."""
    spatial = {str(i): [f'A video about look {i}.', f'A video about place {i}.'] for i in range(4)}
    temporal = {
        str(i): [STEP.format(name.lower(), f'{verb} it') for verb in ('lifting', 'turning')]
        for i, name in enumerate(NAMES)
    }
    paths = tmp_path / '2_s_x.json', tmp_path / '2_t_x.json'
    for path, data in zip(paths, (spatial, temporal), strict=True):
        path.write_text(json.dumps(data, indent=4), encoding='utf-8')
    return paths


def test_published_files_survive_import_and_export(tool, tmp_path, published):
    ran = tool('--import-published', *published)
    assert ran.status == 0
    assert '4 classes imported' in ran.out
    found = read_descriptions(tmp_path / 'out.json', NAMES)
    assert found == read_descriptions(published, NAMES).model_copy(update={'meta': found.meta})
    assert found.meta == {'imported_from': ['2_s_x.json', '2_t_x.json']}

    out = ['--out', str(tmp_path / 'out.json')]
    exported = tool(*out, '--export-published', tmp_path / 'theirs', usual=[])
    assert exported.status == 0
    for kind, original in zip('st', published, strict=True):
        copy = tmp_path / 'theirs' / f'2_{kind}_description_out.json'
        assert str(copy) in exported.out
        assert json.loads(copy.read_text()) == json.loads(original.read_text())


def test_an_export_follows_the_label_list(tool, tmp_path, labels):
    assert tool().status == 0
    labels.write_text('baking cookies\nabseiling\n', encoding='utf-8')
    arguments = ('--labels', labels, '--out', tmp_path / 'out.json')
    assert tool(*arguments, '--export-published', tmp_path, usual=[]).status == 0
    data = json.loads((tmp_path / '2_t_description_labels.json').read_text())
    assert sorted(data) == ['0', '1']
    assert 'baking cookies' in data['0'][0]


def test_a_run_may_export_at_once(tool, tmp_path, labels):
    assert tool('--export-published', tmp_path / 'both').status == 0
    pair = [tmp_path / 'both' / f'2_{kind}_description_labels.json' for kind in 'st']
    found = read_descriptions(tmp_path / 'out.json', NAMES)
    again = read_descriptions(pair, NAMES)
    assert (again.spatial, again.temporal) == (found.spatial, found.temporal)


def test_too_few_entries_are_named_and_nothing_is_written(tool, tmp_path, published):
    data = json.loads(published[0].read_text())
    data['2'] = data['2'][:1]
    published[0].write_text(json.dumps(data))
    message = "class 2 'ApplyEyeMakeup' has 1 spatial descriptions, 2 are usual"
    ran = tool('--import-published', *published)
    assert ran.status == 2
    assert message in ran.err
    assert not (tmp_path / 'out.json').exists()
    checked = tool('--check', *published)
    assert checked.status == 1
    assert 'UNUSABLE, 1 problems' in checked.out
    assert message in checked.out


def test_a_good_pair_passes_the_check(tool, published):
    ran = tool('--check', *published)
    assert ran.status == 0
    assert 'classes: 4' in ran.out
    assert 'spatial: 8 sentences (2 in 4 classes)' in ran.out
    assert (
        "'lifting it': 'abseiling', 'air drumming', 'ApplyEyeMakeup', 'baking cookies'" in ran.out
    )


def test_a_file_of_ours_needs_no_label_list(tool, tmp_path):
    assert tool().status == 0
    ran = tool('--check', tmp_path / 'out.json', usual=[])
    assert ran.status == 0
    assert 'usable' in ran.out


def test_a_wrong_label_list_is_noticed(tool, published):
    ran = tool('--check', *published, '--labels', 'hmdb51')
    assert ran.status == 2
    assert '4 classes, the label list 51' in ran.err


def test_findings():
    spatial = [['A video about riding a bike.', 'A video about riding the bike.'],
               ['A video about a wet road.', 'A video about ' + 'trees ' * 40 + '.'],
               ['A video about a wet road.', 'A video about two **legs**.']]  # fmt: skip
    temporal = [[STEP.format('ride horse', 'mounting the saddle')] * 2,
                [STEP.format('riding a bike', 'pedalling with both feet')] * 2,
                [STEP.format('run', 'falling like a ride horse')] * 2]  # fmt: skip
    made = Descriptions(
        names=['RideHorse', 'riding a bike', 'run'], spatial=spatial, temporal=temporal
    )
    findings = examine(made, 32)
    assert not findings.problems
    long, debris, within, shared, mentions = findings.notes.values()
    assert debris == ["'run': 'two **legs**' holds markup or a placeholder"]
    assert len(long) == 1 and long[0].startswith("'riding a bike': 4")
    assert any("'RideHorse': 'riding a bike' and 'riding the bike'" in case for case in within)
    assert "'a wet road': 'riding a bike', 'run'" in shared
    assert mentions == [
        "'RideHorse' mentions 'riding a bike': riding a bike",
        "'run' mentions 'ride horse': falling like a ride horse",
        "'run' mentions 'ride horse': falling like a ride horse",
    ]
    figures = '\n'.join(findings.figures)
    assert 'classes: 3' in figures and 'max 46' in figures


def test_long_lists_of_findings_are_shortened_on_demand_only(tool, tmp_path):
    names = [f'class number {i}' for i in range(30)]
    same = [['A video about a wet road.', 'A video about wet roads.'] for _ in names]
    path = tmp_path / 'd.json'
    write_descriptions(path, Descriptions(names=names, spatial=same, temporal=same))
    short = tool('--check', path, usual=[]).out
    full = tool('--check', path, '--all', usual=[]).out
    assert 'more (--all shows them)' in short
    assert 'more (--all' not in full
    assert full.count("'class number 29'") > short.count("'class number 29'")


@pytest.mark.parametrize(
    ('text', 'name', 'expected'),
    [
        ('A video about a b.', 'x', 'a b'),
        (STEP.format('x', 'a b'), 'x', 'a b'),
        (STEP.format('the x', 'a b.c'), 'x', 'a b.c'),
        ('A video of x: a b.', 'x', 'a b'),
        ('Legs move.', 'x', 'Legs move.'),
    ],
)
def test_phrases_are_found_in_every_form(text, name, expected):
    assert phrase(text, name) == expected

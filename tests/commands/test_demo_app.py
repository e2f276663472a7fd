"""The page: its limits, and a visit to it with a real browser."""

import pytest

from projects.msta.inference.page import (
    Answer,
    AppError,
    Limits,
    answer,
    check_video,
    parse_labels,
    playable,
)
from projects.msta.inference.page_timeline import timeline_html
from projects.msta.own_videos.collect import collect
from tests.commands.page_visit import (
    INSTALL,
    button,
    click_at,
    open_browser,
    player,
    press,
    press_until,
    resize,
    serve,
    shown,
    text_of,
    upload,
    visit,
    wait,
)
from tests.models.conftest import LABELS
from tests.videos import ODD_FILES, write_av, write_mp4


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'Type some labels'),
        (' , \n,', 'Type some'),
        ('a,b,c,d', '4 labels'),
        ('x' * 9, '9 char'),
    ],
)
def test_labels_have_limits(text, message):
    with pytest.raises(AppError, match=message):
        parse_labels(text, Limits(labels=3, characters=8))


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (('--port', '99999'), '--port 99999: ports are 1 to 65535'),
        (('--corrections', '/proc/x'), 'the folder /proc/x cannot be written to'),
        (('--corrections', __file__), 'cannot be written to'),
    ],
)
def test_what_cannot_be_served_is_said_before_the_model_is_read(run, arguments, words):
    status, out, error = run('demo_app.py', '--checkpoint', 'gone.pth', *arguments)
    assert (status, out) == (2, '') and words in error and error.count('\n') == 1


def test_labels_are_split_at_commas_and_lines_and_named_once():
    assert parse_labels('a b, c\nd,,a b', Limits()) == ['a b', 'c', 'd']


def test_videos_have_limits(tmp_path):
    video = str(write_mp4(tmp_path / 'v.mp4', num_frames=30))
    assert check_video(video, Limits())[0] == pytest.approx(3)
    with pytest.raises(AppError, match='at most 2 s'):
        check_video(video, Limits(seconds=2))
    with pytest.raises(AppError, match='0 MB'):
        check_video(video, Limits(megabytes=0))


def test_an_answer_has_scores_frames_and_a_timeline(inferencer, tiny):
    video = str(tiny / 'videos' / 'clip 1.mp4')
    found = answer(inferencer, video, 'red, <b>green</b>', Limits())
    inferencer.set_labels(LABELS)
    assert isinstance(found, Answer)
    assert set(found.scores) == {'red', '<b>green</b>'}
    assert sum(found.scores.values()) == pytest.approx(1)
    assert [picture.shape for picture, _ in found.frames] == [(16, 16, 3)] * 4
    assert sum(int(share[:-1]) for _, share in found.frames) == pytest.approx(100, abs=2)
    assert {name for cell in found.timeline.cells for name in cell.labels} == set(found.scores)
    html = timeline_html(found.timeline)
    assert (
        html.count('<path stroke') == 2
        and f'data-seconds="{found.timeline.duration_sec:.3f}"' in html
    )
    assert '<b>' not in html and '&lt;b&gt;green' in html


@pytest.mark.parametrize(
    ('name', 'codec', 'kept'),
    [
        ('a.mp4', 'libx264', True),
        ('a.webm', 'libvpx-vp9', True),
        ('a.mkv', 'libx264', False),
        ('a.mp4', 'mpeg4', False),
        ('a.avi', 'libx264', False),
    ],
)
def test_what_browsers_do_not_play_is_converted(name, codec, kept, tmp_path):
    video = write_av(tmp_path / name, 12, codec=codec)
    shown = playable(str(video), Limits())
    assert (shown == str(video)) == kept
    seconds, kind = check_video(shown, Limits())
    assert seconds == pytest.approx(1.2, abs=0.01)
    assert kept or list(kind[1:]) == ['h264', 'yuv420p']


def test_a_broken_file_is_explained_without_its_path(inferencer, tmp_path):
    name, write = ODD_FILES['truncated 50%']
    with pytest.raises(AppError, match='This file: ') as caught:
        answer(inferencer, str(write(tmp_path / name)), 'a, b', Limits())
    assert str(tmp_path) not in str(caught.value)


@pytest.fixture(scope='module')
def page(tiny, tmp_path_factory):
    """The address of a page served by the tool, and the folder that it may write to."""
    pytest.importorskip('gradio', reason=INSTALL)
    folder = tmp_path_factory.mktemp('page')
    with serve(folder, tiny / 'config.py', tiny / 'adapters.pth') as address:
        yield address, folder
    assert list((folder / 'tmp').glob('msta_*')) == []  # uploads are removed at the end


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp('browser')) as chromium:
        yield chromium


def test_nothing_empty_is_shown_before_the_first_run(page, browser):
    visit(browser, page[0])
    for panel in ('#player', '#timeline', '#stored', '[data-testid=label-output-value]'):
        assert not any(e.is_displayed() for e in browser.find_elements('css selector', panel))
    assert len(shown(browser, '.thumbnail-lg img')) == 4  # examples are pictures
    assert 'mp4' not in text_of(browser)


def test_a_video_is_played_recognised_and_corrected(page, browser, tmp_path):
    address, folder = page
    visit(browser, address)
    video = write_mp4(tmp_path / 'mine.mp4', num_frames=40)  # 4 s of what browsers do not play
    upload(browser, video)
    wait(browser, lambda: player(browser, 'readyState') == 4)
    assert player(browser, 'duration') == pytest.approx(4, abs=0.2)
    names = ('red square', 'green circle', 'blue star')
    browser.find_element('css selector', 'textarea').send_keys(', '.join(names))
    press(browser, 'Recognise')
    wait(browser, lambda: 'best cosine' in text_of(browser))
    text = text_of(browser)
    assert all(text.count(name) >= 2 for name in names)
    assert len(shown(browser, '.thumbnail-lg img')) == 8  # examples, frames
    browser.execute_script('v = document.querySelector("#player video"); v.muted = true; v.play()')
    wait(browser, lambda: player(browser, 'currentTime') > 0.2)
    browser.execute_script('document.querySelector("#player video").pause()')
    for share in (0.75, 0.25):
        click_at(browser, '#timeline .plot', share)
        wait(browser, lambda: abs(player(browser, 'currentTime') - 4 * share) < 0.1)  # noqa: B023
        left = browser.find_element('css selector', '#timeline .now').get_attribute('style')
        assert float(left.split('left:')[1].split('%')[0]) == pytest.approx(100 * share, abs=2)

    choice = browser.find_element('css selector', 'input[role=combobox]')
    press(browser, 'Correct this')
    wait(browser, lambda: 'Choose or type what the video shows' in text_of(browser))
    choice.send_keys('../yellow "moon"\t')
    press(browser, 'Correct this')
    wait(browser, lambda: 'Stored as' in text_of(browser))
    (kept,) = (folder / 'corrections').glob('*/*')
    assert str(kept) in text_of(browser).replace('\n', '')
    assert kept.read_bytes() == video.read_bytes()
    found = collect(folder / 'corrections', least=1)
    assert found.names == ['../yellow "moon"'] and len(found.clips) == 1

    foreign = browser.execute_script(
        'return performance.getEntriesByType("resource").map(e => e.name)'
        '.filter(n => n.startsWith("http") && !n.startsWith(arguments[0]))',
        address,
    )
    assert foreign == []
    assert any((folder / 'tmp').glob('msta_*/uploads/**/mine.mp4'))
    for width in (1280, 390):
        resize(browser, width)
        page = browser.execute_script('return document.documentElement.scrollWidth')
        assert page <= width  # nothing to scroll sideways on a telephone


def test_errors_are_said_and_leave_the_page_usable(page, browser, tmp_path):
    visit(browser, page[0], width=390)
    press_until(browser, 'Recognise', 'Choose a video first')
    (tmp_path / 'broken.mp4').write_bytes(b'no video' * 100)
    upload(browser, tmp_path / 'broken.mp4')
    wait(browser, lambda: 'This file: not a video' in text_of(browser))
    wait(browser, lambda: button(browser, 'Recognise').is_enabled())
    assert not shown(browser, '#player') and 'broken' in text_of(browser)
    shown(browser, '.thumbnail-lg')[3].click()
    wait(browser, lambda: player(browser, 'readyState') == 4)
    press(browser, 'Recognise')
    wait(browser, lambda: shown(browser, '#timeline .plot'))

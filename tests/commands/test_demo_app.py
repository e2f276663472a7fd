"""The page: its limits, and a visit to it with a real browser."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from projects.msta.inference.page import (
    Answer,
    AppError,
    Limits,
    answer,
    check_video,
    parse_labels,
)
from tests.models.conftest import LABELS
from tests.videos import ODD_FILES, write_mp4

ROOT = Path(__file__).resolve().parents[2]
INSTALL = 'apt-get install chromium chromium-driver; pip install -r requirements/app.txt'


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


def test_labels_are_split_at_commas_and_lines_and_named_once():
    assert parse_labels('a b, c\nd,,a b', Limits()) == ['a b', 'c', 'd']


def test_videos_have_limits(tmp_path):
    video = str(write_mp4(tmp_path / 'v.mp4', num_frames=30))
    assert check_video(video, Limits()) == pytest.approx(3)
    with pytest.raises(AppError, match='at most 2 s'):
        check_video(video, Limits(seconds=2))
    with pytest.raises(AppError, match='0 MB'):
        check_video(video, Limits(megabytes=0))


def test_an_answer_has_scores_frames_and_a_timeline(inferencer, tiny):
    video = str(tiny / 'videos' / 'clip 1.mp4')
    found = answer(inferencer, video, 'red, green', Limits())
    inferencer.set_labels(LABELS)
    assert isinstance(found, Answer)
    assert set(found.scores) == {'red', 'green'} and sum(found.scores.values()) == pytest.approx(1)
    assert found.frames.shape == (164, 4 * 164, 3)  # four frames and their gaps
    assert found.plot is not None and found.plot.shape[2] == 3 and found.plot.std() > 10


def test_a_broken_file_is_explained_without_its_path(inferencer, tmp_path):
    name, write = ODD_FILES['truncated 50%']
    with pytest.raises(AppError, match='This file: ') as caught:
        answer(inferencer, str(write(tmp_path / name)), 'a, b', Limits())
    assert str(tmp_path) not in str(caught.value)


@pytest.fixture
def page(tiny, tmp_path, monkeypatch):
    """The address of a page served by the tool, and the folder of its temporary files."""
    pytest.importorskip('gradio', reason=INSTALL)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    (tmp_path / 'tmp').mkdir()
    command = [sys.executable, ROOT / 'tools' / 'demo_app.py', '--port', str(port)]
    command += ['--config', tiny / 'config.py', '--checkpoint', tiny / 'adapters.pth']
    environment = {'TMPDIR': str(tmp_path / 'tmp'), 'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path)}
    with (tmp_path / 'log').open('w') as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f'http://127.0.0.1:{port}'
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(address, timeout=5)
                break
            assert server.poll() is None, (tmp_path / 'log').read_text()
            time.sleep(0.5)
        yield address, tmp_path / 'tmp'
    finally:
        server.terminate()
        server.wait(120)
    assert list((tmp_path / 'tmp').glob('msta_*')) == []  # uploads are removed at the end


@pytest.fixture
def browser(tmp_path):
    webdriver = pytest.importorskip('selenium.webdriver', reason=INSTALL)
    binary, driver = shutil.which('chromium'), shutil.which('chromedriver')
    if not binary or not driver:
        pytest.skip(f'no browser: {INSTALL}')
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'):
        options.add_argument(argument)
    options.add_argument(f'--user-data-dir={tmp_path / "profile"}')
    service = webdriver.ChromeService(executable_path=driver)
    chromium = webdriver.Chrome(options=options, service=service)
    yield chromium
    chromium.quit()


def test_a_visit(page, browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    address, temporary = page
    wait = WebDriverWait(browser, 90)
    browser.set_window_size(1280, 1400)
    browser.get(address)
    upload = wait.until(lambda b: b.find_element(By.CSS_SELECTOR, 'input[type=file]'))
    upload.send_keys(str(write_mp4(tmp_path / 'mine.mp4', num_frames=40)))
    wait.until(lambda b: len(b.find_elements(By.CSS_SELECTOR, 'img')) >= 1)  # the first frame
    box = browser.find_element(By.CSS_SELECTOR, 'textarea')
    box.send_keys('red square, green circle, blue star')

    def press():
        browser.find_element(By.CSS_SELECTOR, 'button.primary').click()

    press()
    wait.until(lambda b: 'best cosine' in b.page_source)
    text = browser.find_element(By.TAG_NAME, 'body').text
    assert all(name in text for name in ('red square', 'green circle', 'blue star'))
    assert text.count('%') >= 3
    wait.until(lambda b: len(b.find_elements(By.CSS_SELECTOR, 'img')) >= 3)  # frames, timeline
    browser.save_screenshot(str(tmp_path / 'desktop.png'))
    browser.set_window_size(500, 1800)  # the narrowest window that Chromium opens
    width = browser.execute_script('return document.documentElement.scrollWidth')
    visible = browser.execute_script('return document.documentElement.clientWidth')
    assert width <= visible  # nothing to scroll sideways on a telephone
    browser.save_screenshot(str(tmp_path / 'phone.png'))

    box.send_keys(Keys.CONTROL, 'a')
    box.send_keys(Keys.DELETE)
    press()
    wait.until(lambda b: 'Type some labels' in b.page_source)
    foreign = browser.execute_script(
        'return performance.getEntriesByType("resource").map(e => e.name)'
        '.filter(n => n.startsWith("http") && !n.startsWith(arguments[0]))',
        address,
    )
    assert foreign == []
    assert any(temporary.glob('msta_*/uploads/**/mine.mp4'))

"""Visits to the page with a real browser. As a program, it takes the picture in the README:

python -m tests.commands.page_visit docs/images/page.png
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALL = 'apt-get install chromium chromium-driver; pip install -r requirements/app.txt'
_LIMIT_SEC = 90


@contextlib.contextmanager
def serve(folder, config=None, checkpoint=None):
    """Serve the page by the tool; its temporary files, log and corrections are in ``folder``."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    (folder / 'tmp').mkdir()
    command = [sys.executable, ROOT / 'tools' / 'demo_app.py', '--port', str(port)]
    command += ['--corrections', folder / 'corrections']
    command += ['--config', config, '--checkpoint', checkpoint] if config else []
    environment = {'TMPDIR': str(folder / 'tmp'), 'PATH': '/usr/bin:/bin', 'HOME': str(folder)}
    with (folder / 'log').open('w') as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f'http://127.0.0.1:{port}'
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(address, timeout=5)
                break
            assert server.poll() is None, (folder / 'log').read_text()
            time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(120)


@contextlib.contextmanager
def open_browser(profile):
    """Chromium, driven; the test is skipped where there is none."""
    import pytest

    webdriver = pytest.importorskip('selenium.webdriver', reason=INSTALL)
    binary, driver = shutil.which('chromium'), shutil.which('chromedriver')
    if not binary or not driver:
        pytest.skip(f'no browser: {INSTALL}')
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'):
        options.add_argument(argument)
    options.add_argument(f'--user-data-dir={profile}')
    service = webdriver.ChromeService(executable_path=driver)
    chromium = webdriver.Chrome(options=options, service=service)
    try:
        yield chromium
    finally:
        chromium.quit()


def resize(browser, width, height=1300):
    """Any size: no window is narrower than 500 pixels, but a telephone is."""
    size = {'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 600}
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)


def visit(browser, address, width=1280):
    """Open the page and wait until it answers."""
    resize(browser, width)
    browser.get(address)
    wait(browser, lambda: shown(browser, 'button.primary'))
    # Rendered by the server, the page takes clicks only when its pictures have come.
    wait(browser, lambda: len(shown(browser, '.thumbnail-lg img')) == 4)


def wait(browser, condition, seconds=_LIMIT_SEC):
    """Wait for a condition, whatever elements are being replaced meanwhile."""
    from selenium.common.exceptions import WebDriverException

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(WebDriverException):
            if condition():
                return
        time.sleep(0.05)
    raise AssertionError(f'not within {seconds} s; the page says: {text_of(browser)}')


def shown(browser, selector):
    return [e for e in browser.find_elements('css selector', selector) if e.is_displayed()]


def text_of(browser):
    return browser.find_element('tag name', 'body').text


def player(browser, name):
    script = 'return document.querySelector("#player video")?.[arguments[0]]'
    return browser.execute_script(script, name)


def button(browser, text):
    return next(e for e in shown(browser, 'button') if e.text == text)


def press(browser, text):
    browser.execute_script('arguments[0].click()', button(browser, text))


def press_until(browser, name, text):
    """Press again what was pressed too early: a page just opened may not listen yet."""
    for _ in range(_LIMIT_SEC // 10):
        press(browser, name)
        with contextlib.suppress(AssertionError):
            return wait(browser, lambda: text in text_of(browser), 10)
    raise AssertionError(f'{name} does nothing; the page says: {text_of(browser)}')


def upload(browser, path):
    browser.find_element('css selector', 'input[type=file]').send_keys(str(path))


def click_at(browser, selector, share):
    """Click an element at a share of its width."""
    from selenium.webdriver import ActionChains

    element = browser.find_element('css selector', selector)
    browser.execute_script('arguments[0].scrollIntoView({block: "center"})', element)
    across = round((share - 0.5) * element.size['width'])
    ActionChains(browser).move_to_element_with_offset(element, across, 0).click().perform()


def main():
    """Take a picture of the shipped model and the last example."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serve(folder) as address, open_browser(folder / 'profile') as browser:
            visit(browser, address)
            shown(browser, '.thumbnail-lg')[3].click()
            wait(browser, lambda: player(browser, 'readyState') == 4)
            press(browser, 'Recognise')
            wait(browser, lambda: 'best cosine' in text_of(browser))
            click_at(browser, '#timeline .plot', 0.55)
            time.sleep(2)
            height = browser.execute_script('return document.querySelector("main").scrollHeight')
            resize(browser, 1100, height)
            time.sleep(1)
            browser.save_screenshot(sys.argv[1])


if __name__ == '__main__':
    main()

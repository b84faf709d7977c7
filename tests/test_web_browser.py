"""The page in a real browser: a picture is dropped and restored, rain is made, a bad file is refused."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import browser as driven
import numpy as np
import pytest
from browser import Browser, browser
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PORTRAIT = ROOT / 'data' / 'portraits128' / 'test' / 'img' / 'test_0031.jpg'

pytest.importorskip('gradio', reason='the page needs Gradio: python tools/install.py --web')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (driven.CHROMIUM and driven.DRIVER),
        reason='a browser to drive is no Python package: install chromium and chromium-driver',
    ),
]


@pytest.fixture(scope='module')
def url() -> Iterator[str]:
    """The page as the command serves it."""
    command = [sys.executable, '-m', 'rainrestore.cli.main', 'web', '--port', '0', '--device', 'cpu']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture
def window(url: str, tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path, 1280, 1360) as window:
        window.requested()
        window.call('url', {'url': url})
        window.wait(lambda: window.script("return !!document.querySelector('#rr-restore')"))
        yield window


def drop(window: Browser, picture: Path) -> None:
    """Choose a file in the tab that is open, and wait until it is uploaded."""
    window.script("""
        const inputs = [...document.querySelectorAll('.rr-picker input[type=file]')];
        inputs.find(each => each.closest('.rr-picker').offsetParent).id = 'drop';""")
    window.choose_file('#drop', picture)
    window.wait(lambda: window.script("return !!document.querySelector('.rr-picker img')"))
    window.wait(lambda: 'The result appears here' in window.text())


def open_rain_tab(window: Browser) -> None:
    window.script("""
        [...document.querySelectorAll('button[role=tab]')].find(tab => tab.innerText.startsWith('Make')).click();""")
    window.wait(lambda: window.script("return !!document.querySelector('#rr-rain')?.offsetParent"))


def psnr_of(window: Browser) -> float:
    """PSNR RGB of the restored face as the page has it, 0 while it has none."""
    found = re.search(r'restored\s+(\d+\.\d+)', window.text())
    return float(found[1]) if found else 0.0


def test_a_portrait_is_uploaded_restored_and_shown(window, url):
    drop(window, PORTRAIT)
    window.click('#rr-restore')
    window.wait(lambda: 'predicted' in window.text())
    sides = window.wait(lambda: window.script("""
        const images = [...document.querySelectorAll('#rr-slider img')].filter(each => each.naturalWidth);
        return images.length == 2 && images.map(each => [each.naturalWidth, each.naturalHeight]);"""))  # fmt: skip
    assert sides == [[128, 128], [128, 128]]
    assert window.script("return document.querySelectorAll('.rr-maps img').length") == 6
    link = window.script("return document.querySelector('.rr-download a').download")
    assert link == 'test_0031_restored.png'
    # Whatever the page asks for comes from its own server.
    asked = {address for address in window.requested() if not address.startswith(('data:', 'blob:', 'chrome:'))}
    assert asked
    assert {address for address in asked if not address.startswith(url)} == set()


def test_rain_is_made_and_follows_the_sliders(window):
    open_rain_tab(window)
    drop(window, PORTRAIT)
    window.click('#rr-rain')
    first = window.wait(lambda: psnr_of(window))
    assert window.script("return document.querySelectorAll('.rr-maps img').length") == 11
    screenshot = os.environ.get('RAINRESTORE_SCREENSHOT')
    if screenshot:
        write_screenshot(window, Path(screenshot))
    window.script("""
        const slider = document.querySelector('#rr-beta input[type=range]');
        slider.value = 0.2;
        for (const event of [new Event('input', {bubbles: true}), new Event('change', {bubbles: true}),
                             new PointerEvent('pointerup', {bubbles: true})]) slider.dispatchEvent(event);""")
    window.wait(lambda: psnr_of(window) not in (0.0, first))
    window.click('#rr-draw')
    window.wait(lambda: window.script("return document.querySelector('#rr-beta input[type=range]').value") != '0.2')


def test_an_example_runs_by_a_click_and_a_bad_file_after_it_is_refused(window, tmp_path):
    window.wait(lambda: window.script("""
        const example = [...document.querySelectorAll('.gallery-item')].find(each => each.offsetParent);
        example?.click();
        return !!example;"""))  # fmt: skip
    window.wait(lambda: 'predicted' in window.text())
    window.click('.rr-picker button[aria-label="Remove Image"]')
    window.wait(lambda: 'The result appears here' in window.text())
    bad = tmp_path / 'bad.png'
    bad.write_bytes(b'\x89PNG\r\n\x1a\nnonsense')
    drop(window, bad)
    window.click('#rr-restore')
    window.wait(lambda: 'bad.png: not a readable image' in window.text())
    assert 'predicted' not in window.text()


def write_screenshot(window: Browser, path: Path) -> None:
    """The picture in docs/web.md, small: RAINRESTORE_SCREENSHOT=docs/images/web.png."""
    window.script('document.activeElement.blur()')
    time.sleep(1)
    page = Image.open(io.BytesIO(window.screenshot())).convert('RGB')
    # Without the empty foot.
    rows = np.flatnonzero((np.asarray(page) != np.asarray(page)[-1, 0]).any((1, 2)))
    page = page.crop((0, 0, page.width, min(page.height, int(rows[-1]) + 24)))
    small = page.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(path, optimize=True)

"""The page in a real browser: photos, videos and faces are restored, rain is drawn, an invalid file gives a message."""

from __future__ import annotations

import base64
import io
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, browser, needs_browser
from PIL import Image
from scenes import scene

from rainrestore.physics import RAIN_RANGES, draw_scene, quantise, seeded_rng

ROOT = Path(__file__).resolve().parents[1]
PORTRAIT = ROOT / 'data' / 'portraits128' / 'test' / 'img' / 'test_0031.jpg'

#: Title and button of each tab but Photo.
OTHER_TABS = (('Video', '#rr-clip'), ('Cropped face', '#rr-restore'), ('Make rain', '#rr-rain'))

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope='module')
def url() -> Iterator[str]:
    """The page, served by the command."""
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
    with browser(tmp_path, 1280, 1500) as window:
        window.requested()
        window.call('url', {'url': url})
        window.wait(lambda: window.script("return !!document.querySelector('#rr-photo')"))
        yield window


def drop(window: Browser, image: Path) -> None:
    """Choose a file in the open tab, and wait until it is uploaded."""
    window.script("""
        const inputs = [...document.querySelectorAll('.rr-picker input[type=file]')];
        inputs.find(each => each.closest('.rr-picker').offsetParent).id = 'drop';""")
    window.choose_file('#drop', image)
    window.wait(lambda: image.name in window.text().replace('\n', ''))
    window.wait(lambda: 'The result appears here' in window.text())


def open_tab(window: Browser, title: str, button: str) -> None:
    """Tabs without space are in a menu."""
    window.script(
        """[...document.querySelectorAll('button[role=tab], .overflow-dropdown button')]
            .find(tab => tab.innerText.startsWith(arguments[0])).click();""",
        title,
    )
    window.wait(lambda: window.script(f"return !!document.querySelector('{button}')?.offsetParent"))


def remove_file(window: Browser) -> None:
    """Press the button of the open tab that removes the file."""
    window.script("""
        [...document.querySelectorAll('.rr-picker button[aria-label="Clear"]')]
            .find(each => each.offsetParent).click();""")


def maps_of(window: Browser) -> int:
    """Number of maps that the open tab shows."""
    return window.script("""
        return [...document.querySelectorAll('.rr-maps img')].filter(each => each.offsetParent).length;""")


def psnr_of(window: Browser) -> float:
    """PSNR RGB of the restored face in the table of the page; 0 if there is none."""
    found = re.search(r'restored\s+(\d+\.\d+)', window.text())
    return float(found[1]) if found else 0.0


def test_portrait_is_uploaded_restored_and_shown(window, url):
    open_tab(window, 'Cropped face', '#rr-restore')
    drop(window, PORTRAIT)
    window.click('#rr-restore')
    window.wait(lambda: maps_of(window) == 6)
    sides = window.wait(lambda: window.script("""
        const images = [...document.querySelectorAll('#rr-cropped-slider img')].filter(each => each.naturalWidth);
        return images.length == 2 && images.map(each => [each.naturalWidth, each.naturalHeight]);"""))  # fmt: skip
    assert sides == [[128, 128], [128, 128]]
    link = window.script("return document.querySelector('.rr-download a').download")
    assert link == 'test_0031_restored.png'
    # All requests of the page go to its own server.
    asked = {address for address in window.requested() if not address.startswith(('data:', 'blob:', 'chrome'))}
    assert asked
    assert {address for address in asked if not address.startswith(url)} == set()


def test_rain_is_drawn_and_follows_the_sliders(window):
    open_tab(window, 'Make rain', '#rr-rain')
    drop(window, PORTRAIT)
    window.click('#rr-rain')
    first = window.wait(lambda: psnr_of(window))
    assert maps_of(window) == 11
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


def test_example_runs_by_a_click_and_an_invalid_file_is_refused(window, tmp_path):
    open_tab(window, 'Cropped face', '#rr-restore')
    window.wait(lambda: window.script("""
        const example = [...document.querySelectorAll('.gallery-item')].find(each => each.offsetParent);
        example?.click();
        return !!example;"""))  # fmt: skip
    window.wait(lambda: maps_of(window) == 6)
    remove_file(window)
    window.wait(lambda: 'The result appears here' in window.text())
    bad = tmp_path / 'bad.png'
    bad.write_bytes(b'\x89PNG\r\n\x1a\nnonsense')
    drop(window, bad)
    window.click('#rr-restore')
    window.wait(lambda: 'bad.png: not a readable image' in window.text())
    assert maps_of(window) == 0
    # The message is about this file only.
    remove_file(window)
    window.wait(lambda: 'bad.png' not in window.text())


@pytest.fixture(scope='module')
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of three portraits in rain."""
    photo = rainy_scene(seed=0)
    path = tmp_path_factory.mktemp('photos') / 'street.png'
    Image.fromarray(photo).save(path)
    return path


PLACES = [(40, 90, 96), (200, 60, 128), (380, 110, 72)]


def rainy_scene(seed: int) -> np.ndarray:
    photo = scene(300, 480, PLACES)
    rain = draw_scene(photo / np.float32(255), RAIN_RANGES['rain_v1'], seeded_rng(seed, 'street'), face_side=96)
    return quantise(rain.I)


def faces_offered(window: Browser) -> list[str]:
    return window.script("""
        return [...document.querySelectorAll('#rr-faces label')].map(each => each.innerText.trim()).filter(Boolean);""")


def downloads(window: Browser, box: str) -> dict[str, bytes]:
    """The files that a box offers for download, by name; the page itself fetches them."""
    links = window.wait(lambda: window.script(
        "return [...document.querySelectorAll(arguments[0] + ' a[href]')].map(each => each.href)", box
    ))  # fmt: skip
    found = {}
    for link in links:
        code = """
            const request = new XMLHttpRequest();
            request.open('GET', arguments[0], false);
            request.overrideMimeType('text/plain; charset=x-user-defined');
            request.send();
            return btoa([...request.responseText].map(c => String.fromCharCode(c.charCodeAt(0) & 255)).join(''));"""
        found[link.rpartition('/')[2]] = base64.b64decode(window.script(code, link))
    return found


def test_faces_of_a_photo_are_found_chosen_and_restored(window, street):
    drop(window, street)
    offered = window.wait(lambda: faces_offered(window))
    assert len(offered) == 3
    sides = [int(re.search(r': (\d+) pixels', text)[1]) for text in offered]
    assert sides == sorted(sides, reverse=True) and np.abs(np.array(sides) - [128, 96, 72]).max() < 20
    # The photo with the marked faces is shown.
    window.wait(lambda: window.script("return document.querySelector('#rr-found img')?.naturalWidth") == 480)
    window.script("document.querySelectorAll('#rr-faces input')[1].click()")
    window.click('#rr-photo')
    window.wait(lambda: 'Face 2' in window.text())
    assert 'Face 0' in window.text() and 'Face 1' not in window.text()
    assert window.script("return document.querySelectorAll('.rr-pair img').length") == 4
    assert window.script("return document.querySelectorAll('.rr-face details').length") == 2
    files = downloads(window, '#rr-files')
    assert sorted(files) == ['street_faces.zip', 'street_restored.png']
    after = np.asarray(Image.open(io.BytesIO(files['street_restored.png']))).astype(int)
    before = np.asarray(Image.open(street))
    changed = [np.abs(after - before)[top : top + side, left : left + side].mean() for left, top, side in PLACES]
    # The scene and the deselected face are derained; only the selected faces are restored.
    assert after.shape == before.shape and min(changed) > 1
    assert 'the rain or haze of the background was removed, too' in window.text().lower()
    with zipfile.ZipFile(io.BytesIO(files['street_faces.zip'])) as packed:
        assert {'faces/0.png', 'faces/2.png', 'T/0.png', 'J/2.png'} <= set(packed.namelist())
        assert 'faces/1.png' not in packed.namelist()
    screenshot = os.environ.get('RAINRESTORE_PHOTO_SCREENSHOT')
    if screenshot:
        write_screenshot(window, Path(screenshot))


def test_result_of_a_removed_photo_does_not_appear(window, street, tmp_path):
    drop(window, street)
    remove_file(window)
    Image.fromarray(scene(120, 160, [(30, 10, 96)])).save(tmp_path / 'one.png')
    drop(window, tmp_path / 'one.png')
    # The search in the first photo is not over; its three faces must not appear beside the second.
    offered = window.wait(lambda: faces_offered(window))
    assert len(offered) == 1
    window.click('#rr-photo')
    # A clear face does not change, which is an error; the button starts no second photo.
    window.wait(lambda: 'one.png: none of its faces can be restored: face 0 shows' in window.text())
    assert 'Face 0,' not in window.text()
    assert window.script("return document.querySelectorAll('#rr-files a').length") == 0


def test_result_stays_in_its_tab(window, street):
    assert window.script("return document.querySelector('#rr-photo').disabled")
    drop(window, street)
    window.wait(lambda: faces_offered(window))
    window.click('#rr-photo')
    window.wait(lambda: 'Face 2' in window.text())
    for title, button in OTHER_TABS:
        open_tab(window, title, button)
        assert 'Face 2' not in window.text()
    open_tab(window, 'Photo', '#rr-photo')
    assert 'Face 2' in window.text()


def test_cancelled_video_leaves_the_page_ready(window, tmp_path):
    clips = pytest.importorskip('clips')
    frames = [rainy_scene(seed) for seed in range(4)]
    clips.write_clip(tmp_path / 'long.mp4', frames * 20)
    clips.write_clip(tmp_path / 'short.mp4', frames)
    open_tab(window, 'Video', '#rr-clip')
    drop(window, tmp_path / 'long.mp4')
    window.click('#rr-clip')
    window.wait(lambda: '/80 frames' in window.text())
    window.click('#rr-clip-cancel')
    window.wait(lambda: '/80 frames' not in window.text(), 5)
    remove_file(window)
    drop(window, tmp_path / 'short.mp4')
    window.click('#rr-clip')
    window.wait(lambda: '4 frames, 12 faces restored' in window.text())


def tab_to(window: Browser, name: str) -> None:
    """Press Tab until the focus is on the element with this text or label; it is visible on every element before."""
    for _ in range(40):
        window.press('Tab')
        text, outline = window.script("""
            const element = document.activeElement;
            const labels = [...element.labels ?? []].map(each => each.innerText).join();
            const text = element.ariaLabel || labels || element.innerText || element.querySelector('img')?.alt || '';
            return [text.trim(), getComputedStyle(element).outlineStyle];""")
        assert text and outline != 'none', text
        if text.startswith(name):
            return
    pytest.fail(f'no {name}')


def test_photo_is_restored_by_keyboard(window, street):
    drop(window, street)
    window.wait(lambda: faces_offered(window))
    tab_to(window, '1: ')
    window.press('Space')
    tab_to(window, 'range slider for Strength')
    window.press('ArrowLeft')
    tab_to(window, 'Restore the faces')
    window.press('Enter')
    window.wait(lambda: 'Face 2' in window.text())
    assert 'Face 0' in window.text() and 'Face 1' not in window.text()
    assert window.script("return document.querySelector('#rr-strength input[type=range]').value") == '0.95'
    tab_to(window, 'Predicted maps of face 0')
    window.press('Enter')
    opened = "return [...document.querySelectorAll('.rr-face details')].map(each => each.open)"
    window.wait(lambda: window.script(opened) == [True, False])


def test_controls_have_names_for_screen_readers(window, street):
    drop(window, street)
    window.wait(lambda: faces_offered(window))
    for title, button in (('Photo', '#rr-photo'), *OTHER_TABS):
        open_tab(window, title, button)
        nodes = window.command('Accessibility.getFullAXTree')['nodes']
        kinds = {'button', 'checkbox', 'link', 'radio', 'slider', 'spinbutton', 'tab'}
        names = [
            (node['role']['value'], node['name']['value'].strip())
            for node in nodes
            if not node['ignored'] and node['role']['value'] in kinds
        ]
        assert len(names) > 8 and [kind for kind, name in names if not name] == []


def test_page_fits_the_screen_of_a_phone(url, street, tmp_path):
    with browser(tmp_path, 500, 900) as window:
        # Chromium windows are at least 500 pixels wide, but Chromium can emulate a phone of 375 pixels.
        window.command('Emulation.setDeviceMetricsOverride', width=375, height=812, deviceScaleFactor=2, mobile=True)
        window.call('url', {'url': url})
        window.wait(lambda: window.script("return !!document.querySelector('#rr-photo')"))
        drop(window, street)
        window.wait(lambda: faces_offered(window))
        window.click('#rr-photo')
        window.wait(lambda: 'Face 2' in window.text())
        # The result is below the controls; the page scrolls to it.
        window.wait(lambda: abs(window.script("""
            return document.querySelector('#rr-photo-slider').getBoundingClientRect().top""")) < 40)  # fmt: skip
        for title, button in (*OTHER_TABS, ('Photo', '#rr-photo')):
            open_tab(window, title, button)
            assert window.script('return [document.scrollingElement.scrollWidth, innerWidth]') == [375, 375]
            right = window.script("""
                return Math.max(...[...document.querySelectorAll('button, img, input, .rr-face')]
                    .filter(each => each.offsetParent && !each.closest('[role=tablist], .tab-container'))
                    .map(each => each.getBoundingClientRect().right));""")
            assert right <= 376


def test_video_is_restored_and_played(window, tmp_path):
    clips = pytest.importorskip('clips')
    clips.write_clip(tmp_path / 'gate.mp4', [rainy_scene(seed) for seed in range(4)])
    open_tab(window, 'Video', '#rr-clip')
    drop(window, tmp_path / 'gate.mp4')
    window.click('#rr-clip')
    window.wait(lambda: '4 frames, 12 faces restored' in window.text())
    # The browser decodes the video.
    size = window.wait(lambda: window.script("return document.querySelector('#rr-video video')?.videoWidth"))
    assert size == 480
    (content,) = downloads(window, '#rr-clip-result').values()
    (tmp_path / 'out.mp4').write_bytes(content)
    assert len(clips.read_clip(tmp_path / 'out.mp4')[0]) == 4


def write_screenshot(window: Browser, path: Path) -> None:
    """An image of docs/web.md, reduced.

    RAINRESTORE_SCREENSHOT=docs/images/web.png and RAINRESTORE_PHOTO_SCREENSHOT=docs/images/web_photo.png write them.
    """
    window.script('document.activeElement.blur()')
    time.sleep(1)
    page = Image.open(io.BytesIO(window.screenshot())).convert('RGB')
    # Without the empty bottom.
    rows = np.flatnonzero((np.asarray(page) != np.asarray(page)[-1, 0]).any((1, 2)))
    page = page.crop((0, 0, page.width, min(page.height, int(rows[-1]) + 24)))
    small = page.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(path, optimize=True)

"""The site of `make docs` is built without a warning; in a browser, nothing is cut off at the right, at any width."""

import subprocess
import sys
from pathlib import Path

import pytest
from browser import browser, needs_browser
from processes import environment

ROOT = Path(__file__).resolve().parents[1]
#: Elements beyond the right edge of the window, except in a scrollable parent.
CUT = """
const width = document.documentElement.clientWidth;
const scrolls = e => e && e !== document.body && (
  ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
const cut = [...document.querySelectorAll('article *')].filter(
  e => e.getBoundingClientRect().right > width + 1 && !scrolls(e));
return [document.documentElement.scrollWidth - width, ...cut.slice(0, 5).map(e => `${e.tagName} ${e.innerText}`)];
"""


@pytest.fixture(scope='module')
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pages of the site, without the source code. As in `make docs`, a warning is an error."""
    site = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'sphinx', '--fail-on-warning', '--quiet', str(ROOT / 'docs'), str(site)]
    subprocess.run(command, check=True, env=environment(), timeout=1500)
    return [path for path in sorted(site.rglob('*.html')) if '_modules' not in path.parts]


@pytest.mark.slow
def test_site_is_built_without_a_warning(pages: list[Path]) -> None:
    assert len(pages) > 40


@pytest.mark.slow
@needs_browser
def test_page_fits_the_width_of_the_window(pages: list[Path], tmp_path: Path) -> None:
    for width in (1280, 800, 390):
        folder = tmp_path / str(width)
        folder.mkdir()
        with browser(folder, width) as window:
            window.call('window/rect', {'width': width, 'height': 900})
            for page in pages:
                window.call('url', {'url': page.as_uri()})
                assert window.script('return innerWidth') == width
                assert window.script(CUT) == [0], f'{page.name} at {width} pixels'

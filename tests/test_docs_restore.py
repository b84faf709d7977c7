"""What README and docs/restore.md show of restoring works as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
from documents import ROOT, code_blocks
from PIL import Image

from rainrestore.cli.main import main

PAGES = (ROOT / 'README.md', ROOT / 'docs' / 'restore.md')
COMMANDS = [
    command
    for page in PAGES
    for command in re.findall(r'^rainrestore (restore .*)$', page.read_text(encoding='utf-8'), re.MULTILINE)
    if '--checkpoint' not in command  # weights of the reader's own
]


@pytest.fixture
def stills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pictures that the pages name."""
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ('still.png', 'a.png', 'b.png', 'stills/gate/7.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_snippet(stills: Path, page: Path) -> None:
    found: dict = {}
    exec(next(code for code in code_blocks(page, 'python') if 'Restorer' in code), found)
    assert found['face'].shape == (128, 128, 3)
    if page.stem == 'restore':
        assert len(found['faces']) == 2
        assert all(value is not None for value in vars(found['result']).values())


@pytest.mark.parametrize('command', COMMANDS)
def test_command(stills: Path, command: str) -> None:
    assert len(COMMANDS) == 4
    assert main(command.replace('"', '').split()) == 0
    out = command.split('-o ')[1].split()[0]
    assert len(list((stills / out / 'restored').rglob('*.png'))) == 1

"""What docs/photos.md shows works as it stands there."""

import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from documents import ROOT, code_blocks
from PIL import Image
from scenes import scene

from rainrestore.cli.main import main
from rainrestore.faces import build_detector, read_boxes
from rainrestore.registry import FACE_DETECTORS

PAGE = ROOT / 'docs' / 'photos.md'
TEXT = PAGE.read_text(encoding='utf-8')
COMMANDS = re.findall(r'^rainrestore (restore .*)$', TEXT, re.MULTILINE)


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the page names."""
    photo = Image.fromarray(scene(130, 340, [(20, 10, 90), (115, 78, 32), (304, 84, 32)]))
    for name in ('street.jpg', 'photos/gate.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photo.save(tmp_path / name, quality=95)
    (tmp_path / 'faces').mkdir()
    photo.crop((20, 10, 110, 100)).save(tmp_path / 'faces' / 'one.png')
    (tmp_path / 'boxes.csv').write_text(code_blocks(PAGE, 'csv')[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('command', COMMANDS)
def test_command(street: Path, command: str) -> None:
    assert len(COMMANDS) == 4
    if '--boxes' not in command and '--aligned' not in command:
        pytest.importorskip('dlib')
    assert main([*command.split(), '--device', 'cpu']) == 0
    out = street / command.split('-o ')[1].split()[0]
    faces = 0 if '--aligned' in command else 2 if '--boxes' in command else 3
    assert len(list((out / 'restored').iterdir())) == 1 and len(list(out.glob('faces/*/*.png'))) == faces


def test_python(street: Path) -> None:
    pytest.importorskip('dlib')
    found: dict = {}
    exec(code_blocks(PAGE, 'python')[-1], found)
    assert found['result'].photo.shape == (130, 340, 3) and len(found['result'].faces) == 1


def test_detectors(tmp_path: Path) -> None:
    pytest.importorskip('dlib')
    config, own, _ = code_blocks(PAGE, 'python')
    (tmp_path / 'detector.py').write_text(config)
    assert build_detector(tmp_path / 'detector.py').smallest_face == 24
    try:
        exec(own, {})
        (face,) = build_detector('CentreDetector')(np.zeros((80, 100, 3), np.uint8))
        assert (face.crop.x, face.crop.y, face.crop.side) == pytest.approx((50, 40, 80))
    finally:
        FACE_DETECTORS.module_dict.pop('CentreDetector', None)


@pytest.mark.parametrize('table', code_blocks(PAGE, 'csv'))
def test_table(tmp_path: Path, table: str) -> None:
    (tmp_path / 'boxes.csv').write_text(table)
    ((path, faces),) = read_boxes(tmp_path / 'boxes.csv').items()
    assert path == tmp_path.resolve() / 'photos' / 'gate.jpg' and len(faces) == table.count('gate.jpg')


def test_benchmark(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command of the table of recall, on fewer faces."""
    pytest.importorskip('dlib')
    script, *options = re.search(r'^python (tools/benchmarks/\S+) (.*)$', TEXT, re.MULTILINE).groups()
    assert options[0].split() == ['--faces', '60', '--sides', '24', '32', '48']
    monkeypatch.setattr(sys, 'argv', [script, '--faces', '3', '--sides', '64', '--device', 'cpu'])
    runpy.run_path(str(ROOT / script), run_name='__main__')
    sides = json.loads(capsys.readouterr().out.splitlines()[-1])['sides']
    assert sides['64']['clean']['recall'] == 1 and sides['64']['both']['recall'] > 0.5

"""The code of docs/export.md runs."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from documents import ROOT, code_blocks
from PIL import Image

from rainrestore.cli.main import main

PAGE = ROOT / 'docs' / 'export.md'
COMMANDS = re.findall(r'^rainrestore (export .*)$', PAGE.read_text(encoding='utf-8'), re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / 'still.png')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def follow(command: str, code: str) -> np.ndarray:
    assert main(shlex.split(command)) == 0
    found: dict = {}
    exec(code, found)
    assert found['face'].shape == (128, 128, 3) and found['face'].dtype == np.uint8
    return found['face']


def test_torchscript_code_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow(COMMANDS[0], code_blocks('export', 'python')[0])
    assert 'LicenseRef-CelebAMask-HQ-research-only' in capsys.readouterr().out.splitlines()
    assert main(shlex.split(COMMANDS[2])) == 0
    assert (folder / 'results' / 'hrrm_x4.pt').is_file()


@pytest.mark.slow
def test_onnx_code_gives_the_same_face(folder: Path) -> None:
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    faces = [follow(COMMANDS[place], code_blocks('export', 'python')[place]).astype(int) for place in (0, 1)]
    assert np.abs(faces[0] - faces[1]).max() <= 1

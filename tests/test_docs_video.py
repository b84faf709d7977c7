"""What docs/video.md shows works as it stands there."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
from documents import ROOT, code_blocks

pytest.importorskip('av')
pytest.importorskip('dlib')
from clips import read_clip, write_clip
from scenes import scene

from rainrestore.cli.main import main

PAGE = ROOT / 'docs' / 'video.md'
TEXT = PAGE.read_text(encoding='utf-8')
COMMANDS = re.findall(r'^rainrestore (restore .*)$', TEXT, re.MULTILINE)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the page names."""
    frames = [scene(96, 128, [(20 + step, 10, 72)]) for step in range(3)]
    (tmp_path / 'recordings').mkdir()
    for name in ('gate.mp4', 'recordings/night.mov'):
        write_clip(tmp_path / name, frames, sound=True)
    (tmp_path / 'gate.csv').write_text('file,left,top,right,bottom\ngate.mp4,35,35,75,78\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('command', COMMANDS)
def test_command(gate: Path, command: str) -> None:
    assert len(COMMANDS) == 3
    assert main([*command.split(), '--device', 'cpu']) == 0
    (clip,) = (gate / command.split('-o ')[1].split()[0] / 'restored').iterdir()
    assert len(read_clip(clip)[0]) == 3
    line = json.loads((clip.parents[1] / 'manifest.jsonl').read_text())
    assert line['without'] == 0 and line['faces'] == 3


def test_python(gate: Path) -> None:
    found: dict = {}
    exec(code_blocks(PAGE, 'python')[0], found)
    assert (found['result'].frames, found['result'].faces) == (3, 3)
    assert len(read_clip(gate / 'restored.mp4')[0]) == 3


def test_benchmark(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command of the table, on fewer frames."""
    script, options = re.search(r'^python (tools/benchmarks/\S+) (.*)$', TEXT, re.MULTILINE).groups()
    assert options == '--frames 75'
    monkeypatch.setattr(sys, 'argv', [script, '--frames', '4', '--device', 'cpu', '--search-every', '3'])
    runpy.run_path(str(ROOT / script), run_name='__main__')
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = result['results']
    assert rows['clean']['flicker'] < rows['followed']['flicker'] < rows['frame by frame']['flicker']
    assert rows['followed']['found'] == 1 and result['file_to_file_frames_per_second'] > 0

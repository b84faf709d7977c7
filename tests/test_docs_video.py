"""docs/video.md: the benchmark; test_documents.py runs the commands and snippets."""

import json
import re
import runpy
import sys

import pytest
from documents import ROOT, pages

pytest.importorskip('av')


@pytest.mark.slow
def test_video_benchmark_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command of the table, on fewer frames."""
    text = pages()['video'].read_text(encoding='utf-8')
    assert re.search(r'(?m)^python tools/benchmarks/benchmark_video.py --frames \d+$', text)
    script = ROOT / 'tools' / 'benchmarks' / 'benchmark_video.py'
    monkeypatch.setattr(sys, 'argv', [str(script), '--frames', '4', '--device', 'cpu', '--search-every', '3'])
    runpy.run_path(str(script), run_name='__main__')
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = result['results']
    assert rows['clean']['flicker'] < rows['followed']['flicker'] < rows['frame by frame']['flicker']
    assert rows['followed']['found'] == 1 and result['file_to_file_frames_per_second'] > 0

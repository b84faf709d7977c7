"""docs/photos.md: detectors, boxes and the recall benchmark; test_documents.py runs the commands and snippets."""

import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from documents import ROOT, code_blocks, pages

from rainrestore.faces import build_detector, read_boxes
from rainrestore.registry import FACE_DETECTORS


def test_detector_code_runs(tmp_path: Path) -> None:
    config, own, _ = code_blocks('photos', 'python')
    (tmp_path / 'detector.py').write_text(config)
    assert build_detector(tmp_path / 'detector.py').smallest_face == 16
    try:
        exec(own, {})
        (face,) = build_detector('CentreDetector')(np.zeros((80, 100, 3), np.uint8))
        assert (face.crop.x, face.crop.y, face.crop.side) == pytest.approx((50, 40, 80))
    finally:
        FACE_DETECTORS.module_dict.pop('CentreDetector', None)


@pytest.mark.parametrize('table', code_blocks('photos', 'text'))
def test_table_is_read_as_boxes(tmp_path: Path, table: str) -> None:
    (tmp_path / 'boxes.csv').write_text(table)
    ((path, faces),) = read_boxes(tmp_path / 'boxes.csv').items()
    assert path == tmp_path.resolve() / 'photos' / 'gate.jpg' and len(faces) == table.count('gate.jpg')


def test_recall_benchmark_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command of the table of recall, on fewer faces."""
    text = pages()['photos'].read_text(encoding='utf-8')
    assert re.search(r'(?m)^python tools/benchmarks/benchmark_detection.py --faces 40 --sides 24 32 64$', text)
    script = ROOT / 'tools' / 'benchmarks' / 'benchmark_detection.py'
    monkeypatch.setattr(
        sys,
        'argv',
        [str(script), '--faces', '3', '--sides', '64', '--device', 'cpu', '--poses', 'frontal', 'turned 30'],
    )
    runpy.run_path(str(script), run_name='__main__')
    poses = json.loads(capsys.readouterr().out.splitlines()[-1])['poses']
    assert poses['frontal']['64']['clean']['recall'] == 1 and poses['frontal']['64']['both']['recall'] > 0.5
    assert poses['turned 30']['64']['clean']['recall'] > 0.5

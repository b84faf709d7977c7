"""Interpolated checkpoints against weights computed by hand."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / 'tools' / 'model_converters' / 'interpolate.py'


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, 'argv', ['interpolate.py', *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name='__main__')
    return int(ended.value.code or 0)


def saved(path: Path, **state: torch.Tensor) -> Path:
    torch.save({'meta': {'iter': 1}, 'state_dict': state}, path)
    return path


def test_weights_are_interpolated_and_the_rest_is_of_the_second_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = saved(tmp_path / 'a.pth', weight=torch.tensor([0.0, 4.0]), count=torch.tensor(3))
    second = saved(tmp_path / 'b.pth', weight=torch.tensor([1.0, 0.0]), count=torch.tensor(5), judge=torch.ones(1))
    assert run(monkeypatch, first, second, tmp_path / 'c.pth', '--weight', 0.25) == 0
    mixed = torch.load(tmp_path / 'c.pth', weights_only=True)['state_dict']
    torch.testing.assert_close(mixed['weight'], torch.tensor([0.25, 3.0]))
    assert mixed['count'] == 5 and mixed['judge'] == 1


def test_other_networks_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = saved(tmp_path / 'a.pth', weight=torch.zeros(2))
    second = saved(tmp_path / 'b.pth', weight=torch.zeros(3))
    assert run(monkeypatch, first, second, tmp_path / 'c.pth') == 2
    assert 'b.pth has no weight of the shape (2,)' in capsys.readouterr().err
    assert run(monkeypatch, first, first, tmp_path / 'c.pth', '--weight', 2) == 2
    assert '--weight must be in 0..1, got 2' in capsys.readouterr().err
    assert not (tmp_path / 'c.pth').exists()

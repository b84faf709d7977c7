"""The axes of the curves."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from rainrestore.visualization.curves import plot_curves


@pytest.mark.parametrize(('second', 'scale'), [(5.0, 'linear'), (5000.0, 'log'), (0.0, 'linear'), (-5000.0, 'linear')])
def test_values_over_orders_of_magnitude_have_a_logarithmic_axis(
    second: float, scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scales = []
    monkeypatch.setattr(
        Figure, 'savefig', lambda figure, path: scales.extend(axes.get_yscale() for axes in figure.axes)
    )
    runs = [('mse', {'loss': {1: 0.5, 2: 0.1}}), ('gan', {'loss': {3: second}, 'PSNR': {3: 20.0}})]
    plot_curves(runs, ['loss', 'PSNR'], tmp_path / 'curves.png')
    assert scales == [scale, 'linear']

"""The stored part of a training log."""

import json
import math

import numpy as np
import pytest

from rainrestore.errors import ConfigError
from rainrestore.zoo.training_log import POINTS, keep_log, read_log, thinned


def test_long_curve_is_averaged_and_a_short_one_is_kept():
    values = np.random.default_rng(0).uniform(1, 2, 1000)
    kept = thinned({10 * (step + 1): value for step, value in enumerate(values)})
    assert len(kept) == POINTS
    assert [step for step, _ in kept] == list(range(100, 10_001, 100))
    np.testing.assert_allclose([value for _, value in kept], values.reshape(100, 10).mean(1), rtol=1e-4)
    assert thinned({5: 1.25, 6: math.nan, 7: 2.5}) == [[5, 1.25], [7, 2.5]]
    assert thinned({}) == []


def test_stages_are_joined_without_learning_rates_and_times(tmp_path):
    for name, steps in (('first', 30), ('second', 20)):
        (tmp_path / name).mkdir()
        lines = [
            {'loss': 1.0, 'generator.lr': 0.1, 'lr': 0.1, 'prob_real_eyes': 0.5, 'slope_eyes': 0.2, 'data_time': 0.1,
             'memory': 3, 'iter': step, 'step': step}
            for step in range(10, steps + 1, 10)
        ]  # fmt: skip
        (tmp_path / name / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    # mmengine's own log has the seed and the number of processes. Without it, the number of faces is unknown.
    assert keep_log([tmp_path / 'first', tmp_path / 'second'], tmp_path / 'log.json') == {}
    runs = read_log(tmp_path / 'log.json')
    assert [(name, curves.keys()) for name, curves in runs] == [('first', {'loss'}), ('second', {'loss'})]
    assert list(runs[1][1]['loss']) == [40, 50]


@pytest.mark.parametrize('text', ['', '[]', '{"runs": 3}', '{"runs": [{"name": "a"}]}'])
def test_invalid_log_is_named(tmp_path, text):
    (tmp_path / 'x.log.json').write_text(text)
    with pytest.raises(ConfigError, match=r'x\.log\.json is not a training log'):
        read_log(tmp_path / 'x.log.json')
    with pytest.raises(ConfigError, match='no such training log'):
        read_log(tmp_path / 'y.log.json')

import numpy as np
import pytest
from scipy import stats

from rainrestore.evaluation import paired_bootstrap


def test_interval_agrees_with_scipy():
    rng = np.random.default_rng(1)
    second = rng.normal(20, 3, 60)
    first = second + rng.normal(0.3, 0.5, 60)
    ours = paired_bootstrap(first, second)
    theirs = stats.bootstrap((first - second,), np.mean, n_resamples=20_000, method='percentile', rng=7)
    assert ours.difference == pytest.approx((first - second).mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.01)


def test_paired_interval_excludes_the_spread_between_faces():
    second = np.linspace(10, 30, 40)
    result = paired_bootstrap(second + 0.1, second)
    assert result.low == pytest.approx(0.1)
    assert result.high == pytest.approx(0.1)
    assert result.significant


def test_same_seed_repeats_the_interval_and_a_swap_mirrors_it():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 30))
    assert paired_bootstrap(first, second, seed=3) == paired_bootstrap(first, second, seed=3)
    there, back = paired_bootstrap(first, second), paired_bootstrap(second, first)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_no_difference_is_not_significant():
    rng = np.random.default_rng(4)
    noise = rng.normal(size=200)
    assert not paired_bootstrap(noise - noise.mean(), np.zeros(200)).significant


@pytest.mark.parametrize(
    ('first', 'second', 'message'),
    [([1, 2], [1], 'equal lengths'), ([1], [1], 'two images'), ([1, np.inf], [1, 2], 'not finite')],
)
def test_invalid_values_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(first, second)


@pytest.mark.parametrize('option', [{'level': np.nan}, {'level': 1.0}, {'resamples': 0}])
def test_invalid_options_are_refused(option):
    with pytest.raises(ValueError, match=f'{next(iter(option))} must be'):
        paired_bootstrap([1, 2], [1, 3], **option)

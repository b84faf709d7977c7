"""ScaleAwareHeavyRain: its fields, the rain of each name, and the colour order."""

import numpy as np
import pytest
from torch.utils.data import DataLoader

from rainrestore.errors import DatasetError
from rainrestore.physics import RainRanges, RainRangesError, draw_scene, forward, quantise, seeded_rng, shrink
from rainrestore.registry import TRANSFORMS

NAMES = [f'face_{number}' for number in range(8)]


def face(seed=0, height=64, width=64):
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3), dtype=np.uint8)


def build(**options):
    return TRANSFORMS.build(dict(type='ScaleAwareHeavyRain', **options))


def degrade(name='a', gt=None, **options):
    return build(**options)({'gt': face() if gt is None else gt, 'name': name})


@pytest.mark.parametrize(('height', 'width', 'scale'), [(128, 128, 4), (48, 80, 4), (64, 64, 2), (64, 64, 8)])
def test_sample_has_the_observation_and_its_ground_truth(height, width, scale):
    gt = face(height=height, width=width)
    before = gt.copy()
    sample = degrade(gt=gt, scale=scale, seed=0)
    h, w = height // scale, width // scale
    shapes = {'img': (h, w, 3), 'lr': (h, w, 3), 'streak': (h, w, 3), 'transmission': (h, w, 1), 'airlight': (1, 1, 3)}
    for key, shape in shapes.items():
        assert sample[key].shape == shape
        assert sample[key].dtype == (np.uint8 if key == 'img' else np.float32)
        assert sample[key].flags.c_contiguous
    np.testing.assert_array_equal(sample['gt'], before)
    np.testing.assert_array_equal(sample['lr'], shrink(gt, scale))
    observed = forward(*(sample[key].astype(np.float64) for key in ('lr', 'streak', 'transmission', 'airlight')))
    # The quantisation of the camera adds at most half a grey level.
    assert np.abs(sample['img'] - 255 * observed).max() <= 0.5 + 1e-4


def test_transform_equals_the_rain_model_of_physics():
    gt = face()
    scene = draw_scene(shrink(gt, 4), RainRanges(), seeded_rng(5, 'x'))
    sample = degrade('x', gt, seed=5)
    np.testing.assert_array_equal(sample['img'], quantise(scene.I))
    assert sample['rain'] == scene.params
    assert sample['rain']['ranges'] == 'rain_v1'


def test_seeded_rain_depends_on_the_name_and_not_on_the_order():
    transform, reverse = build(seed=1), build(seed=1)
    forth = {name: transform({'gt': face(), 'name': name})['img'] for name in NAMES}
    np.random.seed(99)
    back = {name: reverse({'gt': face(), 'name': name})['img'] for name in reversed(NAMES)}
    for name in NAMES:
        np.testing.assert_array_equal(forth[name], back[name])
    assert len({image.tobytes() for image in forth.values()}) == len(NAMES)
    assert not np.array_equal(degrade(NAMES[0], seed=2)['img'], forth[NAMES[0]])


class Faces:
    """A data set of one image with many names."""

    def __init__(self, seed):
        self.transform = build(seed=seed)

    def __len__(self):
        return len(NAMES)

    def __getitem__(self, index):
        return NAMES[index], self.transform({'gt': face(), 'name': NAMES[index]})['img']


@pytest.mark.parametrize('workers', [0, 1, 2])
def test_seeded_rain_does_not_depend_on_workers(workers):
    loaded = dict(DataLoader(Faces(seed=0), batch_size=None, num_workers=workers))
    for name in NAMES:
        np.testing.assert_array_equal(loaded[name], degrade(name, seed=0)['img'])


def test_unseeded_rain_follows_the_seed_of_numpy():
    """mmengine seeds numpy's global generator in each worker. Workers therefore differ, and a seeded run repeats."""
    transform = build()
    runs = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        runs.append([transform({'gt': face()})['img'].tobytes() for _ in range(4)])
    assert len(set(runs[0])) == 4
    assert runs[0] == runs[1]
    assert not set(runs[0]) & set(runs[2])


def test_ranges_come_from_the_config():
    sample = degrade(seed=0, ranges={'beta': [0.7, 0.7], 'airlight': (0.6, 0.6), 'layers': 2})
    assert (sample['transmission'] == np.float32(np.exp(-0.7))).all()
    assert (sample['airlight'] == np.float32(0.6)).all()
    assert len(sample['rain']['layers']) == 2
    assert sample['rain']['ranges'] == 'custom'


def test_without_rain_and_veil_the_output_is_the_small_face():
    gt = face()
    np.testing.assert_array_equal(degrade(gt=gt, ranges={'layers': 0, 'beta': (0, 0)})['img'], quantise(shrink(gt, 4)))


@pytest.mark.parametrize('channel', [0, 1, 2])
def test_pure_colours_keep_their_channel(channel):
    pure = np.zeros((64, 64, 3), np.uint8)
    pure[..., channel] = 255
    sample = degrade(gt=pure, seed=0)
    for key in ('img', 'lr'):
        assert (sample[key].astype(float).mean((0, 1)).argmax()) == channel
    others = [other for other in range(3) if other != channel]
    assert (sample['lr'][..., channel] == 1).all()
    assert (sample['lr'][..., others] == 0).all()
    # Rain adds nothing to white pixels.
    assert (sample['streak'][..., channel] == 0).all()
    assert sample['streak'][..., others].max() > 0.1


@pytest.mark.parametrize('missing', ['gt', 'name'])
def test_missing_key_is_named(missing):
    sample = {'gt': face(), 'name': 'a'}
    del sample[missing]
    with pytest.raises(KeyError, match=f'no {missing!r}|no .{missing}.'):
        build(seed=0)(sample)


def test_float_faces_are_refused():
    with pytest.raises(TypeError, match="'gt' must be uint8"):
        degrade(gt=face() / np.float32(255))


def test_indivisible_sides_are_named():
    odd = {'gt': face(height=64, width=66), 'name': 'a'}
    with pytest.raises(DatasetError, match=r'^a: 66x64 is not divisible by scale 4'):
        build()(dict(odd))
    with pytest.raises(DatasetError, match=r'^faces/a\.png: 66x64'):
        build()({**odd, 'gt_path': 'faces/a.png'})


@pytest.mark.parametrize(
    'options', [{'scale': 0}, {'scale': 2.0}, {'scale': True}, {'seed': 'a'}, {'seed': 1.5}, {'seed': True}]
)
def test_invalid_options_are_named(options):
    with pytest.raises(ValueError, match=f'{next(iter(options))} must be an integer'):
        TRANSFORMS.get('ScaleAwareHeavyRain')(**options)


def test_misspelt_range_is_named_at_construction():
    with pytest.raises(RainRangesError, match="did you mean 'airlight'"):
        build(ranges={'airlihgt': (0, 1)})


def test_repr_names_the_rain():
    assert "ranges='rain_v1', seed=3" in repr(build(seed=3))
    assert "'beta': (0.5, 0.8)" in repr(build(ranges={'beta': (0.5, 0.8)}))

"""Every task on every image: the config states task and size, and the network gets images of this size."""

import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from scenes import portrait

from rainrestore.apis import TASKS, Purpose, Restorer, derain
from rainrestore.apis.tiles import blend_tiles
from rainrestore.benchmark.scenes import background, dead_leaves
from rainrestore.cli.main import main
from rainrestore.engine.config import load_config
from rainrestore.errors import ConfigError
from rainrestore.physics import forward, quantise
from rainrestore.registry import DATASETS
from rainrestore.zoo.index import Zoo, models

ROOT = Path(__file__).resolve().parents[1]
ENTRIES = models(Zoo.bundled())


def identity(task: str = 'raindrops', size: int = 128) -> Restorer:
    """A method without weights that returns its input."""
    config = load_config(ROOT / 'configs' / 'references' / 'raindrops_128.py')
    config.restoration = dict(task=task, size=size)
    return Restorer(config, device='cpu')


@pytest.mark.parametrize('name', ENTRIES)
def test_declared_size_equals_that_of_the_test_data(name) -> None:
    config = load_config(Zoo.bundled().config(ENTRIES[name]))
    purpose = Purpose.of(config, name)
    sample = DATASETS.build(config.test_dataloader.dataset)[0]
    assert min(sample['inputs'].shape[-2:]) == purpose.size


@pytest.mark.parametrize('task', TASKS)
def test_default_model_of_each_task_has_that_task(task) -> None:
    config = load_config(Zoo.bundled().config(ENTRIES[TASKS[task].model]))
    assert Purpose.of(config, TASKS[task].model).task == task


@pytest.mark.parametrize(
    ('declared', 'message'),
    [
        (dict(task='windows'), r"mine: restoration\.task must be one of faces, .*got 'windows'"),
        ('faces', r"mine: restoration must be a dict, such as dict\(task='faces'\), got 'faces'"),
        (dict(size=0), 'restoration.size must be a side in pixels, got 0'),
        (dict(size=True), 'restoration.size must be a side in pixels, got True'),
        (dict(side=3), 'restoration has the keys task, size, transmission, estimator, got side'),
        (dict(estimator=5), 'restoration.estimator must be a model of the zoo or None, got 5'),
        (dict(transmission=2), 'restoration.transmission must be above 0 and at most 1, got 2'),
    ],
)
def test_invalid_declarations_are_refused(declared, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Purpose.of(Config(dict(restoration=declared)), 'mine')
    purpose = Purpose.of(Config(), 'mine')
    assert (purpose.task, purpose.size) == ('faces', 32)


@pytest.mark.parametrize(('height', 'width'), [(100, 130), (64, 64), (65, 40), (9, 200), (300, 64)])
@pytest.mark.parametrize('scale', [1, 4])
def test_blended_tiles_of_a_local_function_equal_the_whole(height, width, scale) -> None:
    image = np.random.default_rng(0).random((height, width, 3), np.float32)

    def predict(tiles):
        assert len(tiles) <= 5 and max(tiles.shape[1:3]) <= 64
        large = tiles.repeat(scale, 1).repeat(scale, 2)
        return [large, large[..., :1] ** 2]

    large, squares = blend_tiles(predict, image, tile=64, step=48, batch=5)
    expected = image.repeat(scale, 0).repeat(scale, 1)
    np.testing.assert_allclose(large, expected, atol=1e-6)
    np.testing.assert_allclose(squares, expected[..., :1] ** 2, atol=1e-6)


@pytest.mark.parametrize('shape', [(8, 8), (40, 70), (700, 530), (9, 2000)])
def test_whole_images_keep_their_size(shape) -> None:
    image = background(*shape)
    np.testing.assert_array_equal(identity()(image), image)


def test_faces_are_resized_to_the_size_of_the_network() -> None:
    renovate = identity('renovate')
    for height, width in ((8, 8), (40, 50), (128, 128), (256, 300)):
        seen = renovate(background(height, width), maps=True).I
        assert min(seen.shape[:2]) == 128
    # Networks that enlarge do not resize a small face.
    enlarging = Restorer(ROOT / 'configs' / 'references' / 'bicubic_x4.py', device='cpu')
    assert (enlarging.size, enlarging.scale) == (32, 4)
    assert enlarging(background(20, 20), maps=True).I.shape[:2] == (20, 20)
    assert enlarging(background(90, 64), maps=True).I.shape[:2] == (45, 32)


def test_unsuitable_task_is_refused() -> None:
    assert Restorer('fcg_gan_x4', device='cpu', task='rain').task == 'rain'
    with pytest.raises(ConfigError, match=r'is for the task faces, not for raindrops; .* raindrop_'):
        Restorer('fcg_gan_x4', device='cpu', task='raindrops')
    with pytest.raises(ConfigError, match='is for the task faces, not for rain'):
        Restorer(ROOT / 'configs' / 'references' / 'bicubic_x4.py', device='cpu', task='rain')
    with pytest.raises(ConfigError, match="task must be one of faces, renovate, rain, raindrops, got 'snow'"):
        Restorer('fcg_gan_x4', device='cpu', task='snow')


def test_rain_is_removed_from_whole_images() -> None:
    image = background(50, 70)
    faces = Restorer('fcg_gan_x4', device='cpu')
    np.testing.assert_array_equal(Restorer('fcg_gan_x4', device='cpu', task='rain')(image), derain(faces, image))
    alone = Restorer('hrrm_x4', device='cpu')
    assert (alone.task, alone.scale) == ('rain', 1) and alone(image).shape == image.shape


def test_command_accepts_every_task(tmp_path, capsys) -> None:
    (tmp_path / 'in').mkdir()
    image = np.kron(portrait(0), np.ones((2, 2, 1), np.uint8))
    Image.fromarray(image).save(tmp_path / 'in' / 'window.png')
    command = ['restore', str(tmp_path / 'in'), '--device', 'cpu', '-o', str(tmp_path / 'out')]
    assert main([*command, '--task', 'raindrops']) == 0
    output = capsys.readouterr().out
    # A whole image is not a face.
    assert '"model": "raindrop_' in output and '"restored": 1' in output and '"faces": 0' in output
    restored = np.asarray(Image.open(tmp_path / 'out' / 'restored' / 'window.png'))
    np.testing.assert_array_equal(restored, Restorer(TASKS['raindrops'].model, device='cpu')(image))
    # Another task replaces the result; the same task skips it.
    assert main([*command, '--task', 'raindrops']) == 0
    assert '"done_before": 1' in capsys.readouterr().out
    assert main([*command, '--model', 'hrrm_x4']) == 0
    assert '"restored": 1' in capsys.readouterr().out
    for option in ('--aligned', '--preview'):
        assert main([*command, '--task', 'rain', option]) == 2
        assert 'restores whole images, not faces' in capsys.readouterr().err


def test_unchanged_scene_and_thin_veil_are_noted(tmp_path, capsys) -> None:
    clear = dead_leaves(120, 3)
    pale = background(120, 160)
    veiled = quantise(forward(clear / np.float32(255), np.float32(0), np.float32(0.4), np.float32(0.8)))
    restorer = Restorer('hrrm_scenes', device='cpu')
    notes = {name: restorer(image, maps=True).notes for name, image in (('clear', clear), ('veiled', veiled))}
    assert notes == {'clear': ('shows no detectable veil or streaks, and was not changed',), 'veiled': ()}
    # Smooth colours without black resemble a thin veil.
    assert re.fullmatch(r'a thin veil was removed \(mean T = 0\.8\d\); if the air was clear, use the input instead',
                        *restorer(pale, maps=True).notes)  # fmt: skip
    (tmp_path / 'in').mkdir()
    Image.fromarray(clear).save(tmp_path / 'in' / 'clear.png')
    assert (
        main(['restore', str(tmp_path / 'in'), '--device', 'cpu', '-o', str(tmp_path / 'out'), '--task', 'rain']) == 0
    )
    assert 'clear.png: shows no detectable veil or streaks, and was not changed' in capsys.readouterr().err

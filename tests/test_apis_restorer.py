"""The restorer returns the output of the network for every kind of input."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

import rainrestore
from rainrestore import config_files
from rainrestore.apis import ImageError, PhotoRestorer, Restorer
from rainrestore.apis import restorer as module
from rainrestore.checkpoints import load_weights
from rainrestore.config_files import bundled_config
from rainrestore.datasets.transforms.rain import ScaleAwareHeavyRain
from rainrestore.engine.config import load_config
from rainrestore.errors import CheckpointError, ConfigError, DatasetError, ImageFileError
from rainrestore.image_io import list_images, read_image
from rainrestore.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
BICUBIC = ROOT / 'configs' / 'references' / 'bicubic_x4.py'


@pytest.fixture(scope='module')
def restorer() -> Restorer:
    return Restorer('fcg_gan_x4', device='cpu', batch_size=3)


@pytest.fixture(scope='module')
def bicubic() -> Restorer:
    return Restorer(BICUBIC, device='cpu')


@pytest.fixture(scope='module')
def rainy(portraits: Path) -> list[np.ndarray]:
    """Five small rainy faces, 32x32 uint8."""
    rain = ScaleAwareHeavyRain(scale=4, seed=0)
    paths = list_images(portraits / 'test' / 'img')[:5]
    return [rain({'gt': read_image(path), 'name': path.stem})['img'] for path in paths]


@pytest.fixture(scope='module')
def expected(rainy: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The output of the network, built from its config and weights without the restorer."""
    network = MODELS.build(load_config(ROOT / 'configs' / 'fcg_gan_x4.py').model)
    load_weights(network, 'rainrestore://fcg_gan_x4')
    with torch.no_grad():
        inputs = torch.tensor(np.stack(rainy)).permute(0, 3, 1, 2).float() / 255
        outputs = network.eval()(inputs, mode='tensor')
    return {key: value.permute(0, 2, 3, 1).numpy() for key, value in outputs.items()}


def close(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal, or one grey level apart: another order of summation may change the rounding."""
    assert one.dtype == other.dtype == np.uint8 and one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max()) <= 1


def test_faces_and_maps_are_the_outputs_of_the_network(restorer, rainy, expected):
    results = restorer(rainy, maps=True)
    assert len(results) == 5
    for place, result in enumerate(results):
        assert result.face.shape == (128, 128, 3)
        assert close(result.face, np.rint(expected['pred_img'][place].clip(0, 1) * 255).astype(np.uint8))
        np.testing.assert_array_equal(result.I, rainy[place].astype(np.float32) / np.float32(255))
        for field, key in (('J', 'lr_img'), ('S', 'streak'), ('T', 'transmission'), ('parsing', 'parsing')):
            np.testing.assert_allclose(getattr(result, field), expected[key][place], atol=1e-5)
        np.testing.assert_allclose(result.A, np.broadcast_to(expected['airlight'][place], (32, 32, 3)), atol=1e-5)


def test_every_kind_of_input_has_the_same_result(restorer, rainy, tmp_path):
    face = restorer(rainy[0])
    assert face.shape == (128, 128, 3) and face.dtype == np.uint8 and face.flags.writeable
    Image.fromarray(rainy[0]).save(tmp_path / 'a.png')
    tensor = torch.tensor(rainy[0]).permute(2, 0, 1)
    for source in (
        *(str(tmp_path / 'a.png'), tmp_path / 'a.png', Image.fromarray(rainy[0]), rainy[0] / np.float32(255)),
        *(rainy[0].astype(np.float64) / 255, np.asfortranarray(rainy[0]), tensor, tensor.float() / 255),
    ):
        assert close(restorer(source), face)
    before = rainy[0].copy()
    restorer(rainy[0])
    np.testing.assert_array_equal(rainy[0], before)


def test_one_image_returns_one_and_several_return_an_ordered_list(bicubic, rainy, tmp_path):
    singles = [bicubic(image) for image in rainy]
    batch = torch.tensor(np.stack(rainy)).permute(0, 3, 1, 2)
    for number, image in enumerate(rainy):
        place = tmp_path / ('sub/deep' if number > 2 else '') / f'{number}.png'
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    (tmp_path / 'notes.txt').write_text('no image')
    mixed = [Image.fromarray(rainy[0]), *rainy[1:4], str(tmp_path / 'sub' / 'deep' / '4.png')]
    for source in (rainy, tuple(rainy), batch, mixed, tmp_path):
        several = bicubic(source)
        assert isinstance(several, list) and len(several) == 5
        assert all(close(one, single) for one, single in zip(several, singles, strict=True))
    assert bicubic([]) == []
    assert len(bicubic(batch[:1])) == 1


def test_mixed_sizes_keep_their_order(bicubic, rainy):
    tall, wide = rainy[0][:, :20], rainy[1][:24]
    shapes = [result.shape for result in bicubic([tall, rainy[2], wide, tall])]
    assert shapes == [(128, 80, 3), (128, 128, 3), (96, 128, 3), (128, 80, 3)]


@pytest.mark.parametrize(('size', 'small'), [((128, 128), (32, 32)), ((178, 218), (32, 39)), ((65, 64), (32, 32))])
def test_larger_images_are_reduced_like_in_pillow(bicubic, size, small):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(60, 196, (size[1], size[0], 3), dtype=np.uint8))
    result = bicubic(image, maps=True)
    assert result.I.shape == (small[1], small[0], 3) and result.face.shape == (4 * small[1], 4 * small[0], 3)
    pillow = np.asarray(image.resize(small, Image.Resampling.BICUBIC))
    # Pillow also rounds between its two passes.
    assert np.abs(result.I * 255 - pillow).max() < 1.6


def test_size_is_kept_on_request_and_if_one_side_is_small(bicubic):
    image = np.zeros((50, 70, 3), np.uint8)
    assert Restorer(BICUBIC, device='cpu', resize=False)(image).shape == (200, 280, 3)
    assert bicubic(image[:20]).shape == (80, 280, 3)


def test_threads_get_the_results_of_a_single_thread(restorer, rainy):
    tasks = [rainy[:1], rainy[1:3], rainy[3:4], rainy[4:], rainy[:2]]
    serial = [restorer(task, maps=True) for task in tasks]
    with ThreadPoolExecutor(4) as pool:
        parallel = list(pool.map(lambda task: restorer(task, maps=True), tasks))
    for one, other in zip(serial, parallel, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            for field, value in vars(mine).items():
                np.testing.assert_array_equal(value, getattr(theirs, field))


def test_losses_discriminators_and_gradients_are_not_kept(restorer):
    names = {name.partition('.')[0] for name, _ in restorer.model.named_parameters()}
    assert names == {'rain_removal', 'face_parser', 'generator'}
    assert not any(value.requires_grad for value in restorer.model.parameters())


def test_invalid_image_is_refused_with_its_position(bicubic):
    good = np.zeros((32, 32, 3), np.uint8)
    for bad, message in (
        (np.zeros((32, 32), np.uint8), r'H x W x 3'),
        (np.zeros((32, 32, 4), np.uint8), r'H x W x 3'),
        (np.zeros((0, 32, 3), np.uint8), r'with pixels'),
        (np.zeros((32, 32, 3), np.uint16), r'uint16'),
        (np.full((32, 32, 3), 255.0), r'in \[0, 1\], got \[255, 255\]'),
        (np.full((32, 32, 3), np.nan), r'in \[0, 1\]'),
        (np.full((32, 32, 3), -np.inf), r'in \[0, 1\]'),
        (torch.zeros(32, 32, 3), r'\(3, h, w\)'),
        (np.zeros((1, 1, 3), np.uint8), r'1x1 pixels are too few'),
        (np.zeros((8, 70_000, 3), np.uint8), r'too many for a face'),
        (7, 'got int'),
    ):
        with pytest.raises(ImageError, match=message) as caught:
            bicubic([good, bad])
        assert str(caught.value).startswith('item 1: ')
        with pytest.raises(ImageError, match=f'^the image: .*{message}'):
            bicubic(bad)
    caught.value.add_note('a note of the caller')
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.name, again.reason) == (caught.value.name, caught.value.reason)


def test_invalid_file_is_refused_with_its_name(bicubic, tmp_path):
    with pytest.raises(DatasetError, match='contains no images'):
        bicubic(tmp_path)
    (tmp_path / 'empty.png').touch()
    for source in (tmp_path, [tmp_path / 'empty.png'], tmp_path / 'empty.png'):
        with pytest.raises(ImageFileError, match=r'empty\.png: not a readable image'):
            bicubic(source)
    Image.new('RGB', (1, 1)).save(tmp_path / 'dot.png')
    with pytest.raises(ImageError, match=r'dot\.png: 1x1 pixels'):
        bicubic(tmp_path / 'dot.png')
    with pytest.raises(ImageFileError, match='no defined white'):
        bicubic(Image.new('F', (32, 32)))


def test_nan_output_is_an_error(monkeypatch):
    broken = Restorer(BICUBIC, device='cpu')
    # 0 / 0 for a black image
    monkeypatch.setattr(broken.model, 'restore', lambda inputs: {'pred_img': inputs / inputs})
    with pytest.raises(ImageError, match=r'item 1: the output of the network .* infinite or NaN values'):
        broken([np.full((32, 32, 3), 9, np.uint8), np.zeros((32, 32, 3), np.uint8)])


def test_unknown_names_and_unsuitable_weights_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="did you mean 'fcg_gan_x4'"):
        Restorer('fcg_gan_x44')
    with pytest.raises(ConfigError, match='no such config'):
        Restorer(tmp_path / 'none.py')
    with pytest.raises(CheckpointError, match=r'srgan_x4\.py has weights: pass its checkpoint'):
        Restorer(ROOT / 'configs' / 'srgan' / 'srgan_x4.py')
    with pytest.raises(ConfigError, match=r'fpm_x4 restores no image, it predicts parsing'):
        Restorer('rainrestore://fpm_x4')
    with pytest.raises(CheckpointError, match='another network'):
        Restorer('fcg_gan_x4', 'rainrestore://hrrm_x4')
    with pytest.raises(ConfigError, match="'abacus' is not a device"):
        Restorer('fcg_gan_x4', device='abacus')
    with pytest.raises(ConfigError, match='batch_size'):
        Restorer(batch_size=0)
    with pytest.raises(ConfigError, match='precision'):
        Restorer(precision='float8')


def test_zoo_names_work_in_any_folder_and_bundled_configs_come_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bundled_config('configs/fcg_gan_x4.py') == ROOT / 'configs' / 'fcg_gan_x4.py'
    package = tmp_path / 'site-packages' / 'rainrestore'
    for root in (package, package.parent):
        (root / 'configs').mkdir(parents=True)
        (root / 'configs' / 'a.py').touch()
    monkeypatch.setattr(config_files, 'PACKAGE', package)
    assert bundled_config('configs/a.py') == package / 'configs' / 'a.py'
    with pytest.raises(ConfigError, match=r'configs/b\.py: this config of the zoo is missing'):
        bundled_config('configs/b.py')


def test_fingerprint_differs_between_models(restorer, bicubic):
    same = Restorer(load_config(ROOT / 'configs' / 'fcg_gan_x4.py'), 'rainrestore://fcg_gan_x4', device='cpu')
    assert same.fingerprint == restorer.fingerprint
    stretch = Restorer(ROOT / 'configs' / 'references' / 'stretch_x4.py', device='cpu')
    kept = Restorer(BICUBIC, device='cpu', resize=False)
    with torch.no_grad():
        next(same.model.parameters())[0] += 1e-3
    others = [same._fingerprint(), stretch.fingerprint, kept.fingerprint, bicubic.fingerprint, restorer.fingerprint]
    assert len(set(others)) == 5


def test_batches_keep_the_limits(monkeypatch, bicubic):
    monkeypatch.setattr(module, 'MAX_PIXELS', 3 * 32 * 32)
    images = [np.zeros((32, 32, 3), np.float32)] * 7 + [np.zeros((8, 8, 3), np.float32)] * 17
    sizes = []
    bicubic._in_batches(lambda batch, more: sizes.append(len(batch)) or more, images, images)
    assert sizes == [3, 3, 1, 16, 1]


def test_default_scope_of_another_package_has_no_effect(bicubic, rainy):
    with DefaultScope.overwrite_default_scope('mmengine'):
        assert close(Restorer(BICUBIC, device='cpu')(rainy[0]), bicubic(rainy[0]))


@pytest.mark.filterwarnings('ignore:bfloat16 is slow')
def test_bfloat16_is_close(rainy, expected):
    faces = Restorer('fcg_gan_x4', device='cpu', precision='bfloat16')(rainy)
    difference = np.abs(np.stack(faces) - expected['pred_img'] * 255)
    assert 0.05 < difference.mean() < 1.5


def test_slow_bfloat16_is_warned_of(monkeypatch):
    monkeypatch.setattr('rainrestore.apis.restorer.has_bfloat16', lambda device: False)
    with pytest.warns(UserWarning, match='bfloat16 is slow on this processor; float32 is faster'):
        Restorer(BICUBIC, device='cpu', precision='bfloat16')


def test_import_is_lazy_and_has_all_names():
    program = 'import sys, rainrestore; rainrestore.__version__; print("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', program], capture_output=True, text=True).stdout.strip() == 'False'
    assert rainrestore.Restorer is Restorer
    assert rainrestore.RestorationInferencer.__name__ == 'RestorationInferencer'
    with pytest.raises(AttributeError, match="no attribute 'Restore'"):
        rainrestore.Restore  # noqa: B018


def test_inferencer_equals_the_restorer(restorer, bicubic, rainy, tmp_path):
    for number, image in enumerate(rainy):
        Image.fromarray(image).save(tmp_path / f'{number}.png')
    (tmp_path / 'notes.txt').write_text('no image')
    inferencer = rainrestore.RestorationInferencer(BICUBIC, device='cpu', show_progress=False)
    faces = bicubic(rainy)
    for source in (rainy, str(tmp_path)):
        predictions = inferencer(source, batch_size=2)['predictions']
        assert all(close(item['face'], face) for item, face in zip(predictions, faces, strict=True))
    pytest.importorskip('mmagic')
    inferencer = rainrestore.RestorationInferencer('fcg_gan_x4', device='cpu', show_progress=False)
    result = inferencer(rainy[0], return_datasamples=True, draw=True)
    assert list(result['visualization'][0])[:3] == ['input I', 'restored', 'small face J']
    output = result['predictions'][0].output
    assert close(output.pred_img.permute(1, 2, 0).numpy().astype(np.uint8), restorer(rainy[0]))
    assert output.streak.shape == (3, 32, 32)


FORKED = """
import os, signal, sys
import numpy as np, torch
import rainrestore
torch.set_num_threads(2)
restorer = rainrestore.Restorer('fcg_gan_x4', device='cpu')
image = np.load(sys.argv[1])
face = restorer(image).astype(int)
if os.fork() == 0:
    signal.alarm(120)
    assert torch.get_num_threads() == 1
    os._exit(0 if abs(restorer(image) - face).max() <= 1 else 1)
assert os.wait()[1] == 0
assert torch.get_num_threads() == 2
"""


def test_pickled_restorer_restores_the_same_face(restorer, rainy):
    again = pickle.loads(pickle.dumps(PhotoRestorer(restorer))).restorer
    assert close(again(rainy[0]), restorer(rainy[0]))


def test_restorer_works_in_a_forked_child(tmp_path, rainy):
    """A fork does not copy the threads of the parent, so an operation that waits for them would never end."""
    np.save(tmp_path / 'rainy.npy', rainy[0])
    command = [sys.executable, '-W', 'ignore', '-c', FORKED, str(tmp_path / 'rainy.npy')]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_installed_package_finds_its_models_without_the_checkout(tmp_path, rainy, restorer):
    """The package is built from a copy, because a build writes into its source folder. The copy is then removed."""
    source = tmp_path / 'source'
    ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
    for folder in ('rainrestore', 'configs', 'benchmarks'):
        shutil.copytree(ROOT / folder, source / folder, ignore=ignore)
    for file in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'model-index.yml'):
        shutil.copy(ROOT / file, source)
    np.save(tmp_path / 'rainy.npy', rainy[0])
    target = tmp_path / 'target'
    words = ['install', '--quiet', '--no-deps', '--no-build-isolation', '--no-index', '--target', target, source]
    subprocess.run([sys.executable, '-m', 'pip', *map(str, words)], check=True, capture_output=True, cwd=tmp_path)
    shutil.rmtree(source)
    program = (
        'import numpy, rainrestore; assert "target" in rainrestore.__file__; '
        'numpy.save("face.npy", rainrestore.Restorer("fcg_gan_x4", device="cpu")(numpy.load("rainy.npy")))'
    )
    environment = {'PYTHONPATH': str(target), 'PATH': '/usr/bin:/bin', 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, '-W', 'ignore', '-c', program]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment)
    assert close(np.load(tmp_path / 'face.npy'), restorer(rainy[0]))
    installed = target / 'rainrestore' / 'configs'
    assert {path.relative_to(installed) for path in installed.rglob('*.py')} == {
        path.relative_to(ROOT / 'configs') for path in (ROOT / 'configs').rglob('*.py')
    }

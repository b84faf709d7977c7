"""The configs of the repository: each config builds, and trains a few steps on the bundled faces."""

import json
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from narrow import narrow
from PIL import Image
from torch.utils.data import DataLoader
from toy import ToyNoise

from rainrestore.cli.main import main
from rainrestore.config_files import find_file, packaged_files
from rainrestore.datasets import collate_in_one_piece
from rainrestore.engine.config import load_config
from rainrestore.errors import ConfigError
from rainrestore.registry import DATASETS, MODELS

pytest.importorskip('mmagic')
ROOT = Path(__file__).parents[1]
ABLATIONS = sorted((ROOT / 'configs' / 'ablations').glob('*.py'))
CONFIGS = [path for path in packaged_files().values() if path not in ABLATIONS]
#: Configs for the pairs of the Raindrop set; tests/test_datasets_paired.py trains them.
PAIRS = [path for path in CONFIGS if path.stem.endswith('_qian')]
# Every process of the tests reads this module, and reading all configs takes seconds, so that these groups are named.
UNTRAINED = [path for path in CONFIGS if path.parent.name == 'references' or path.stem == 'fcg_gan_mirrored_x4']
LARGE = [path for path in CONFIGS if path.stem.endswith('_512')]
TRAINED = [path for path in CONFIGS if path not in PAIRS + UNTRAINED]
#: The side of the bundled faces.
BUNDLED = 128


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT / 'configs'))


#: A config that a test does not change.
config_of = cache(load_config)


def side(path: Path) -> int:
    """The side of the faces of a config."""
    return config_of(path).train_dataloader.dataset.get('size', BUNDLED)


def enlarged_faces(folder: Path, size: int) -> Path:
    """Some of the bundled faces at another size, without their masks."""
    for split in ('train', 'val', 'test'):
        target = folder / split / 'img'
        target.mkdir(parents=True)
        for file in sorted((ROOT / 'data' / 'portraits128' / split / 'img').glob('*.jpg'))[:2]:
            Image.open(file).resize((size, size)).save(target / file.name)
    return folder


def narrowed(path: Path, folder: Path, **changes: object) -> Path:
    """A config that inherits ``path`` at tiny widths, for two iterations, on the bundled faces at its size."""
    batch = max(1, 2 * BUNDLED // side(path))
    if side(path) != BUNDLED:
        changes['data_root'] = str(enlarged_faces(folder / 'faces', side(path)))
    settings = {
        'model': narrow(config_of(path).model),
        'train_dataloader': dict(batch_size=batch, num_workers=0, persistent_workers=False, dataset=dict(limit=4)),
        'val_dataloader': dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(limit=2)),
        'train_cfg': dict(max_iters=2, val_interval=2),
        'param_scheduler': None,
        **changes,
    }
    lines = [f'_base_ = {str(path)!r}', *(f'{key} = {value!r}' for key, value in settings.items())]
    out = folder / 'narrow.py'
    out.write_text('\n'.join(lines), encoding='utf-8')
    return out


def is_slow(path: Path) -> bool:
    """Whether another config trains the same network, or the config has large faces."""
    is_repeat = '_stage' in path.stem and not path.stem.endswith('_x4')
    return path in ABLATIONS or is_repeat or path in LARGE or path.parent.name in ('unseen', 'paper')


def test_groups_of_configs_are_complete() -> None:
    assert [path for path in CONFIGS if not config_of(path).get('train_cfg')] == UNTRAINED
    assert [path for path in TRAINED if side(path) > BUNDLED] == LARGE


@pytest.mark.parametrize(
    'path',
    [pytest.param(path, marks=pytest.mark.slow if is_slow(path) else ()) for path in TRAINED + ABLATIONS],
    ids=relative,
)
def test_config_trains_logs_validates_and_saves_the_best(path: Path, tmp_path: Path) -> None:
    assert main(['train', str(narrowed(path, tmp_path)), '--work-dir', str(tmp_path / 'run')]) == 0
    run = tmp_path / 'run'
    assert (run / 'iter_2.pth').is_file()
    assert len(list(run.glob('best_*_iter_2.pth'))) == 1
    scalars = [json.loads(line) for line in next(run.rglob('scalars.json')).read_text(encoding='utf-8').splitlines()]
    metrics = ('PSNR', 'mIoU', 'MAE_parsing')
    assert [line['step'] for line in scalars if any(key.startswith(metrics) for key in line)] == [2]
    assert list(run.rglob('events.out.tfevents*'))


FAST = ('fcg_gan_x4.py', 'pix2pix_x4.py', 'heavy_rain_removal_x4.py')


@pytest.mark.parametrize(
    'path',
    [pytest.param(path, marks=() if relative(path) in FAST else pytest.mark.slow) for path in TRAINED + ABLATIONS],
    ids=relative,
)
def test_config_resumes_exports_and_tests_the_exported_model(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = narrowed(path, tmp_path, default_hooks=dict(logger=dict(interval=1)))
    run = ['train', str(config), '--work-dir', str(tmp_path / 'run')]
    assert main(run) == 0
    assert main([*run, '--resume', '--cfg-options', 'train_cfg.max_iters=3', 'train_cfg.val_interval=3']) == 0
    trained = tmp_path / 'run' / 'iter_3.pth'
    checkpoint = torch.load(trained, weights_only=False)
    assert checkpoint['message_hub']['runtime_info']['iter'] == 2
    assert checkpoint['optimizer']
    zoo = tmp_path / 'zoo'
    publish = ['publish', str(trained), 'mine', '--config', str(config), '--zoo', str(zoo), '--full-precision']
    assert main([*publish, '--allow-large']) == 0
    scores = []
    for name, weights in (('trained', trained), ('exported', zoo / 'mine.safetensors')):
        options = ['test_dataloader.dataset.limit=2', 'test_dataloader.num_workers=0']
        options.append('test_dataloader.persistent_workers=False')
        words = ['test', str(config), str(weights), '--out', str(tmp_path / name), '--cfg-options', *options]
        capsys.readouterr()
        assert main(words) == 0
        summary = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
        scores.append({key: value for key, value in summary.items() if key.startswith(('PSNR', 'SSIM', 'mIoU'))})
    assert scores[0]
    assert scores[0] == scores[1]


def test_amp_option_selects_the_precision(tmp_path: Path) -> None:
    from mmengine.runner import Runner

    seen = {}

    def record(config):
        seen.update(config.optim_wrapper)
        raise SystemExit(0)

    config = ROOT / 'configs' / 'fcg_gan_x4.py'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, 'from_cfg', record)
        with pytest.raises(SystemExit):
            main(['train', str(config), '--work-dir', str(tmp_path), '--no-amp'])
    assert not seen['generator']['enabled']
    assert not seen['discriminator']['enabled']


def test_hifacegan_at_512_has_the_published_size() -> None:
    config = load_config(ROOT / 'configs' / 'hifacegan' / 'hifacegan_512.py')
    with torch.device('meta'):
        network = MODELS.build({**config.model.generator.network, 'in_channels': 3})
    assert [block.conv_1.out_channels for blocks in network.blocks for block in blocks] == [
        64 * factor for factor in (16, 16, 16, 8, 4, 2, 1)
    ]
    assert network.encoder.stem[0].out_channels == 64 and config.model.generator.multiple == 2**network.levels == 32
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        assert (loader.batch_size, loader.dataset.size) == (2, 512)
    mixed = load_config(ROOT / 'configs' / 'hifacegan' / 'hifacegan_128.py')
    assert config.train_dataloader.dataset.pipeline == mixed.train_dataloader.dataset.pipeline


def test_data_root_applies_to_every_data_set(tmp_path: Path) -> None:
    for config in (
        load_config(ROOT / 'configs/hrrm_x4.py', data_root=tmp_path),
        load_config(ROOT / 'configs/hrrm_x4.py', {'data_root': str(tmp_path)}),
    ):
        for name in ('train', 'val', 'test'):
            assert config[f'{name}_dataloader'].dataset.data_root == str(tmp_path)


def test_data_root_does_not_change_a_data_set_without_the_option(tmp_path: Path) -> None:
    """An example is a custom data set that generates its images."""
    own = dict(_delete_=True, type=ToyNoise.__name__)
    drawn = {'train_dataloader.dataset': own}
    config = load_config('hrrm_x4', drawn, data_root=tmp_path)
    assert 'data_root' not in config.train_dataloader.dataset
    assert config.val_dataloader.dataset.data_root == str(tmp_path)
    every = {
        f'{name}_dataloader.dataset': dict(_delete_=True, type=ToyNoise.__name__) for name in ('train', 'val', 'test')
    }
    with pytest.raises(ConfigError, match=r'^--data: no data set of hrrm_x4 has the option data_root'):
        load_config('hrrm_x4', every, data_root=tmp_path)


def test_data_root_can_be_set_for_one_data_set(tmp_path: Path) -> None:
    config = load_config('hrrm_x4', {'data_root': 'all', 'val_dataloader.dataset.data_root': 'own'})
    roots = [config[f'{name}_dataloader'].dataset.data_root for name in ('train', 'val', 'test')]
    assert roots == ['all', 'own', 'all']
    for option in ('data_root', 'val_dataloader.dataset.data_root'):
        with pytest.raises(ConfigError, match=rf'{option} has no effect with --data: omit one of them'):
            load_config('hrrm_x4', {option: 'own'}, data_root=tmp_path)


def test_every_method_has_the_same_rain_in_val_and_test() -> None:
    pipelines = [
        config_of(path)[f'{split}_dataloader'].dataset.pipeline
        for path in TRAINED + ABLATIONS
        for split in ('val', 'test')
    ]
    drawn = [[step for step in pipeline if 'seed' in step] for pipeline in pipelines]
    assert all([step.seed for step in steps] == [2022] for steps in drawn)
    assert len({str(step) for (step,) in drawn if step.type == 'ScaleAwareHeavyRain'}) == 1


def test_missing_config_and_bad_option_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'none\.py: no such config'):
        load_config(tmp_path / 'none.py')
    with pytest.raises(ConfigError, match='--cfg-options'):
        load_config(ROOT / 'configs/hrrm_x4.py', {'model.rain_removal.type.name': 3})


def test_defaults_are_those_of_the_paper() -> None:
    modules, joint = (load_config(name) for name in ('hrrm_x4', 'fcg_gan_x4'))
    assert modules.train_cfg.max_iters == 200 * 18_000 // 64
    assert joint.train_cfg.max_iters == 80 * 18_000 // 16
    assert (modules.train_dataloader.batch_size, joint.train_dataloader.batch_size) == (64, 16)
    for group in (modules.optim_wrapper, joint.optim_wrapper.generator, joint.optim_wrapper.discriminator):
        # except the weight decay, which outweighs losses that are means: docs/results/weight_decay.md
        assert group.optimizer == dict(type='Adam', lr=1e-3, fused=True)
    weights = [
        joint.model[key].loss_weight for key in ('perceptual_loss', 'adversarial_loss', 'local_adversarial_loss')
    ]
    assert weights == [1e-3, 1e-3, 1e-4]
    assert modules.model.perceptual_loss.loss_weight == 0.1


def test_auto_resume_without_a_checkpoint_starts_from_load_from(tmp_path: Path) -> None:
    """--resume in a new work dir must keep the load_from of the config."""
    config = narrowed(ROOT / 'configs' / 'srgan' / 'srgan_x4.py', tmp_path)
    first = tmp_path / 'first'
    assert main(['train', str(config), '--work-dir', str(first)]) == 0
    options = [f'load_from={first / "iter_2.pth"}', 'train_cfg.max_iters=1', 'train_cfg.val_interval=1']
    frozen = [f'optim_wrapper.{group}.optimizer.lr=0.0' for group in ('generator', 'discriminator')]
    second = tmp_path / 'second'
    assert main(['train', str(config), '--work-dir', str(second), '--resume', '--cfg-options', *options, *frozen]) == 0
    before, after = (
        torch.load(path, weights_only=False)['state_dict'] for path in (first / 'iter_2.pth', second / 'iter_1.pth')
    )
    assert torch.equal(before['generator.tail.weight'], after['generator.tail.weight'])


def test_face_sr_starts_from_a_custom_parsing_module(tmp_path: Path) -> None:
    """face_sr_x4.py with and without the checkpoint of fpm_rainy_x4.py as load_from."""
    stages = {}
    for name in ('fpm_rainy_x4', 'face_sr_x4'):
        folder = tmp_path / name
        folder.mkdir()
        stages[name] = narrowed(find_file(name), folder)
    parser = tmp_path / 'fpm_rainy_x4' / 'run'
    assert main(['train', str(stages['fpm_rainy_x4']), '--work-dir', str(parser)]) == 0
    options = [f'load_from={parser / "iter_2.pth"}', 'train_cfg.max_iters=1', 'train_cfg.val_interval=1']
    options.append('optim_wrapper.generator.optimizer.lr=0.0')
    joint = tmp_path / 'face_sr_x4' / 'run'
    assert main(['train', str(stages['face_sr_x4']), '--work-dir', str(joint), '--cfg-options', *options]) == 0
    before, after = (
        torch.load(path, weights_only=False)['state_dict'] for path in (parser / 'iter_2.pth', joint / 'iter_1.pth')
    )
    assert 'face_parser.head.weight' in before
    assert all(
        torch.equal(value, after[key])
        for key, value in before.items()
        if 'running' not in key and 'num_batches' not in key
    )
    assert after['generator.trunk.stem.0.weight'].shape[1] == 3 + 19


def test_more_data_adds_training_faces_without_masks(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    further = enlarged_faces(tmp_path / 'further', BUNDLED)
    config = load_config('fcg_gan_x4', more_data=[further, further])
    dataset = DATASETS.build({**config.train_dataloader.dataset, '_scope_': 'rainrestore'})
    alone = DATASETS.build({**load_config('fcg_gan_x4').train_dataloader.dataset, '_scope_': 'rainrestore'})
    assert len(dataset) == len(alone) + 2 * 2
    batch = collate_in_one_piece([dataset[0], dataset[len(alone)]])
    annotated = [sample.parsing_labels.any().item() for sample in batch['data_samples']]
    assert annotated == [True, False]
    assert config.val_dataloader == load_config('fcg_gan_x4').val_dataloader
    path = narrowed(find_file('fcg_gan_x4'), tmp_path, train_cfg=dict(max_iters=1, val_interval=1))
    words = ['train', str(path), '--work-dir', str(tmp_path / 'run'), '--more-data', str(further)]
    assert main(words) == 0
    assert main(['train', 'hifacegan_scenes', '--more-data', str(further)]) == 2
    assert 'does not train on a FaceDataset' in capsys.readouterr().err


def test_custom_imports_find_a_file_in_the_config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.delitem(sys.modules, 'trunk_beside_its_config', raising=False)
    (tmp_path / 'trunk_beside_its_config.py').write_text('WIDTH = 7\n', encoding='utf-8')
    path = tmp_path / 'my_x4.py'
    path.write_text(
        f"_base_ = {str(find_file('fcg_gan_x4'))!r}\ncustom_imports = dict(imports=['trunk_beside_its_config'])\n",
        encoding='utf-8',
    )
    assert load_config(path).custom_imports.imports == ['trunk_beside_its_config']
    assert sys.modules.pop('trunk_beside_its_config').WIDTH == 7
    (tmp_path / 'trunk_beside_its_config.py').unlink()
    with pytest.raises(ConfigError, match='trunk_beside_its_config'):
        load_config(path)


def test_bundled_configs_run_without_workers():
    """Without workers, torch refuses persistent workers and a number of batches to prefetch."""
    loaders = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    config = load_config('fcg_gan_x4', {f'{name}.num_workers': 0 for name in loaders})
    for name in loaders:
        loader = {key: value for key, value in config[name].items() if key in ('num_workers', 'persistent_workers')}
        DataLoader([0], **loader)

"""Components of mmagic: each row of the tables in docs/mmagic.md trains, validates and tests."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config

from rainrestore.apis import Restorer
from rainrestore.engine.config import load_config
from rainrestore.engine.screen import RestorationRunner
from rainrestore.engine.testing import for_testing

pytest.importorskip('mmagic')

ROOT = Path(__file__).resolve().parents[1]
TRUNK = dict(type='SRResNetTrunk', channels=8, num_blocks=1)
#: mmagic's normalisation of its super-resolution configs: images in [0, 1].
UNIT = dict(type='DataPreprocessor', mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0])
CENTRED = dict(type='DataPreprocessor', mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5])
ONE_OPTIMISER = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-4))
SRGAN_OPTIMISERS = dict(
    constructor='mmagic.MultiOptimWrapperConstructor',
    generator=ONE_OPTIMISER,
    discriminator=ONE_OPTIMISER,
)


def network_trunk(network: dict[str, Any], **options: Any) -> dict[str, Any]:
    trunk = dict(type='NetworkTrunk', network=network, **options)
    return dict(model=dict(generator=dict(trunk=trunk)))


def whole(type: str, generator: dict[str, Any], optimisers: dict[str, Any], preprocessor: dict[str, Any] = UNIT,
          **slots: Any) -> dict[str, Any]:  # fmt: skip
    model = dict(type=type, _scope_='mmagic', generator=generator, data_preprocessor=preprocessor, **slots)
    return dict(model=model, optim_wrapper=optimisers)


MSRRESNET = dict(type='MSRResNet', in_channels=3, out_channels=3, mid_channels=8, num_blocks=1, upscale_factor=4)
RRDBNET = dict(type='RRDBNet', in_channels=3, out_channels=3, mid_channels=8, num_blocks=1, growth_channels=4)
EDSRNET = dict(type='EDSRNet', in_channels=3, out_channels=3, mid_channels=8, num_blocks=1, upscale_factor=4)
ADVERSARIAL = dict(
    pixel_loss=dict(type='L1Loss', loss_weight=1.0), gan_loss=dict(type='GANLoss', gan_type='vanilla', loss_weight=5e-3)
)
#: Table of the page -> component -> its changes to a small SRGAN of this package.
ROWS: dict[str, dict[str, dict[str, Any]]] = {
    'networks': {
        'MSRResNet': network_trunk(
            dict(type='mmagic.MSRResNet', out_channels=3, mid_channels=8, num_blocks=1),
            first=('conv_first', 'lrelu'),
            body='trunk_net',
            after=None,
            tail=['upsample1', 'upsample2', 'conv_hr', 'conv_last'],
        ),
        'RRDBNet': network_trunk(
            dict(type='mmagic.RRDBNet', out_channels=3, mid_channels=8, num_blocks=1, growth_channels=4),
            after='conv_body',
            tail=['conv_up1', 'conv_up2', 'conv_hr', 'conv_last'],
        ),
        'SwinIRNet': network_trunk(
            dict(type='mmagic.SwinIRNet', img_size=32, window_size=8, embed_dim=8, depths=[2], num_heads=[2]),
            in_option='in_chans',
            body='forward_features',
            tail=['conv_last'],
            multiple=8,
        ),
        'EDSRNet': network_trunk(
            dict(type='mmagic.EDSRNet', out_channels=3, mid_channels=8, num_blocks=1, upscale_factor=4,
                 rgb_mean=[0, 0], rgb_std=[1, 1]),
            tail=['upsample', 'conv_last'],
        ),
        'UnetGenerator': dict(
            model=dict(
                type='ConditionalGAN',
                generator=dict(
                    type='ImageToImageGenerator',
                    scale=4,
                    network=dict(
                        type='mmagic.UnetGenerator',
                        _scope_='mmagic',
                        in_channels=3,
                        out_channels=3,
                        num_down=5,
                        base_channels=4,
                    ),
                ),
                discriminator=None,
                adversarial_loss=None,
            )
        ),
        'UNetDiscriminatorWithSpectralNorm': dict(
            model=dict(
                discriminator=dict(
                    type='mmagic.UNetDiscriminatorWithSpectralNorm', in_channels=3, mid_channels=4, skip_connection=True
                ),
                adversarial_loss=dict(type='CrossEntropyAdversarialLoss'),
            )
        ),
        'PatchDiscriminator': dict(
            model=dict(
                discriminator=dict(
                    type='mmagic.PatchDiscriminator', _scope_='mmagic', in_channels=3, base_channels=4, num_conv=2
                ),
                adversarial_loss=dict(type='CrossEntropyAdversarialLoss'),
            )
        ),
    },
    'losses': {
        name: dict(model=dict(pixel_loss=dict(type=f'mmagic.{name}', loss_weight=0.5)))
        for name in ('L1Loss', 'MSELoss', 'CharbonnierLoss', 'PSNRLoss')
    },
    'metrics': {
        name: dict(val_evaluator=metrics, test_evaluator=metrics)
        for name, metrics in {
            name: [dict(type='PSNR'), dict(type=f'mmagic.{name}', **options)]
            for name, options in {
                'MAE': {},
                'MSE': {},
                'SNR': {},
                'PSNR': dict(prefix='mmagic'),
                'SSIM': dict(prefix='mmagic'),
            }.items()
        }.items()
    },
    'hooks': {
        'BasicVisualizationHook': dict(
            custom_hooks=[dict(type='mmagic.BasicVisualizationHook')],
            visualizer=dict(
                type='mmagic.ConcatImageVisualizer',
                vis_backends=[dict(type='LocalVisBackend')],
                fn_key='gt_path',
                img_keys=['gt_img', 'pred_img'],
            ),
        ),
        'ExponentialMovingAverageHook': dict(
            custom_hooks=[
                dict(
                    type='mmagic.ExponentialMovingAverageHook',
                    module_keys=('generator_ema',),
                    interval=1,
                    interp_cfg=dict(momentum=0.001),
                )
            ]
        ),
        'IterTimerHook': dict(default_hooks=dict(timer=dict(type='mmagic.IterTimerHook'))),
    },
    'transforms': {
        name: dict(train_dataloader=dict(dataset=dict(pipeline=pipeline)))
        for name, pipeline in {
            name: [*before, dict(type=f'mmagic.{name}', **options), *after]
            for name, before, options, after in [
                ('Flip', [], dict(keys=['gt', 'mask'], direction='horizontal'), ['rain', 'pack']),
                ('RandomJPEGCompression', ['rain'], dict(params=dict(quality=[60, 90]), keys=['img']), ['pack']),
                ('ColorJitter', ['rain'], dict(keys=['img'], brightness=0.1), ['pack']),
            ]
        }.items()
    },
    'models': {
        'SRGAN': whole('mmagic.SRGAN', MSRRESNET, SRGAN_OPTIMISERS, CENTRED, **ADVERSARIAL,
                       discriminator=dict(type='ModifiedVGG', in_channels=3, mid_channels=4)),
        'ESRGAN': whole('mmagic.ESRGAN', RRDBNET, SRGAN_OPTIMISERS, **ADVERSARIAL,
                        discriminator=dict(type='ModifiedVGG', in_channels=3, mid_channels=4)),
        'BaseEditModel': whole('mmagic.BaseEditModel', EDSRNET, ONE_OPTIMISER, pixel_loss=dict(type='L1Loss')),
    },
}  # fmt: skip
STEPS = {'rain': dict(type='ScaleAwareHeavyRain', scale=4), 'pack': dict(type='PackFaceInputs')}


def config_of(folder: Path, data: Path, changes: dict[str, Any]) -> Config:
    base = [str(ROOT / 'configs' / '_base_' / name) for name in
            ('models/srgan.py', 'data/rain_x4.py', 'schedules/joint.py', 'runtime.py')]  # fmt: skip
    path = folder / 'config.py'
    path.write_text(f'_base_ = {base!r}\n')
    loader = dict(batch_size=2, num_workers=0, persistent_workers=False)
    config = load_config(path, data_root=data)
    config.merge_from_dict(
        dict(
            model=dict(generator=dict(trunk=TRUNK, channels=8), perceptual_loss=None),
            train_cfg=dict(max_iters=1, val_interval=1),
            work_dir=str(folder / 'run'),
            experiment_name=folder.name,
            visualizer=dict(vis_backends=[dict(type='LocalVisBackend')]),
            **dict.fromkeys(('train_dataloader', 'val_dataloader', 'test_dataloader'), loader),
        )
    )
    config.model.discriminator.base_channels = 4
    for key, value in changes.items():
        if key == 'model':
            for slot, part in value.items():
                if slot == 'generator' and 'trunk' in part:
                    config.model.generator.trunk = part['trunk']
                else:
                    config.model[slot] = part
        elif key in ('train_dataloader', 'default_hooks'):
            config.merge_from_dict({key: value})
        else:
            config[key] = value
    if '_scope_' in changes.get('model', {}):
        config.model = changes['model']
    if changes.get('model', {}).get('type') == 'ConditionalGAN':
        config.optim_wrapper.pop('discriminator')
    steps = config.train_dataloader.dataset.pipeline
    config.train_dataloader.dataset.pipeline = [STEPS[step] if isinstance(step, str) else step for step in steps]
    return config


def run(folder: Path, data: Path, changes: dict[str, Any]) -> tuple[dict[str, float], dict[str, float], Config]:
    """Train an iteration, validate, test; returns the metrics of the validation and of the test."""
    config = config_of(folder, data, changes)
    runner = RestorationRunner.from_cfg(config.copy())
    runner.train()
    seen = {key.removeprefix('val/'): scalar.current() for key, scalar in runner.message_hub.log_scalars.items()}
    state = runner.model.state_dict()
    torch.save({'state_dict': state}, folder / 'weights.pth')
    tested = for_testing(config.copy(), 'config.py', 'test', folder / 'test', 2)
    tested.experiment_name = f'{folder.name}_test'
    tester = RestorationRunner.from_cfg(tested)
    tester.model.load_state_dict(state, strict=False)
    return seen, tester.test(), config


@pytest.mark.parametrize(
    ('kind', 'name'),
    [
        pytest.param(kind, name, marks=[pytest.mark.slow] * (number > 0))
        for kind, rows in ROWS.items()
        for number, name in enumerate(rows)
    ],
)
def test_mmagic_component_trains_validates_and_is_tested(kind, name, face_folder, tmp_path):
    validated, tested, config = run(tmp_path, face_folder, ROWS[kind][name])
    assert 5 < validated['PSNR'] < 40 and 5 < tested['PSNR'] < 40
    if kind == 'metrics':
        key = f'mmagic/{name}' if name in ('PSNR', 'SSIM') else name
        assert np.isfinite(validated[key]) and np.isfinite(tested[key])
        if key != name:
            # mmagic rounds to whole grey levels.
            assert tested[key] == pytest.approx(tested[name], abs=0.1)
    if name == 'BasicVisualizationHook':
        assert list((tmp_path / 'test').rglob('*.png'))
    if kind == 'models':
        face = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        restored = Restorer(config, tmp_path / 'weights.pth')(face)
        assert restored.shape == (128, 128, 3)
        tested = for_testing(config, 'config.py', 'test', tmp_path / 'again', 2)
        tested.experiment_name = f'{tmp_path.name}_again'
        model = RestorationRunner.from_cfg(tested).model
        model.load_state_dict(torch.load(tmp_path / 'weights.pth')['state_dict'], strict=False)
        from mmagic.structures import DataSample

        given = {'inputs': [torch.from_numpy(face.transpose(2, 0, 1).copy())], 'data_samples': [DataSample()]}
        own = model.eval().test_step(given)[0].output.pred_img
        assert np.abs(restored.transpose(2, 0, 1) - own.detach().clamp(0, 255).round().numpy()).max() <= 1


def test_page_lists_exactly_the_tested_components():
    text = (ROOT / 'docs' / 'mmagic.md').read_text(encoding='utf-8')
    for kind, rows in ROWS.items():
        section = re.search(rf'(?ms)^## {kind.capitalize()}\n(.*?)(?=^## |\Z)', text)[1]
        assert re.findall(r'^\| `mmagic\.(\w+)` ', section, re.MULTILINE) == list(rows)
        assert len(rows) >= 3

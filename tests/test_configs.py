"""The parts of methods and ablations: slots, parameters and losses.

An ablation differs from its base only in the stated part.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from mmengine.config import Config
from narrow import narrow
from torch import Tensor, nn

from rainrestore.datasets import FaceDataset
from rainrestore.engine.config import load_config
from rainrestore.engine.optim import SlotOptimWrapperConstructor
from rainrestore.models.networks.layers import DenseLayer
from rainrestore.registry import MODELS

pytest.importorskip('mmagic')
CONFIGS = Path(__file__).parents[1] / 'configs'
GROUPS = {
    'generator': dict(slots=['generator', 'rain_removal', 'face_parser'], optimizer=dict(type='Adam', lr=1e-3)),
    'discriminator': dict(slots=['discriminator', 'local_discriminators'], optimizer=dict(type='Adam', lr=1e-3)),
}
COMPONENTS = ('eyes', 'nose', 'lips')
SUPERVISED = {'loss_streak', 'loss_transmission', 'loss_airlight'}


JOINT = {'rain_removal', 'face_parser', 'generator', 'discriminator', 'local_discriminators'}
GLOBAL = {'loss_adv_global', 'loss_disc_global'}
LOCAL = {f'loss_{kind}_{name}' for kind in ('adv', 'disc') for name in COMPONENTS}
EVERY = {'loss', 'loss_pixel', 'loss_vgg', 'loss_parsing', 'loss_lr', 'loss_rainy'} | GLOBAL | LOCAL
RAIN = {'loss_lr', 'loss_rainy'}
# slots with trainable parameters; losses in the log; type and input channels of the trunk
METHODS: dict[str, tuple[set[str], set[str], str, int]] = {
    'fcg_gan_x4': (JOINT, EVERY, 'SRResNetTrunk', 6),
    'fcg_esrgan_x4': (JOINT, EVERY, 'RRDBNet', 6),
    'fcg_swinir_x4': (JOINT, EVERY, 'SwinIRNet', 6),
    'fcg_srgan_x4': (JOINT - {'local_discriminators'}, EVERY - LOCAL, 'SRResNetTrunk', 6),
    'face_sr_x4': ({'face_parser', 'generator', 'discriminator'}, EVERY - LOCAL - RAIN, 'SRResNetTrunk', 3 + 19),
    'srgan_x4': ({'generator', 'discriminator'}, EVERY - LOCAL - RAIN - {'loss_parsing'}, 'SRResNetTrunk', 3),
    'esrgan_x4': ({'generator', 'discriminator'}, EVERY - LOCAL - RAIN - {'loss_parsing'}, 'RRDBNet', 3),
    'swinir_x4': ({'generator'}, {'loss', 'loss_pixel'}, 'SwinIRNet', 3),
}


class Ablation(NamedTuple):
    """The difference of an ablation from its base."""

    base: str
    option: str
    """The only option of the config that differs, with all below it."""
    gone: tuple[str, ...] = ()
    """Prefixes of the parameters that it lacks."""
    lost: frozenset[str] | set[str] = frozenset()
    gained: frozenset[str] | set[str] = frozenset()
    """Keys of the training log."""


def one_component(kept: str) -> Ablation:
    others = [name for name in COMPONENTS if name != kept]
    keys = ('loss_adv', 'loss_disc', 'prob_real', 'prob_fake', 'accuracy', 'slope')
    return Ablation(
        base='fcg_gan_x4',
        option='model.local_discriminators',
        gone=tuple(f'local_discriminators.{name}.' for name in others),
        lost={f'{key}_{name}' for key in keys for name in others},
    )


ABLATIONS = {
    'hrrm_supervised_x4': Ablation('hrrm_x4', 'model.parameter_loss', gained=SUPERVISED),
    'hrrm_no_reconstruction_x4': Ablation(
        'hrrm_x4', 'model.rain_loss.reconstruction_weight', lost={'loss_rainy', 'loss_vgg_rainy'}
    ),
    'hrrm_no_vgg_x4': Ablation(
        'hrrm_x4', 'model.perceptual_loss', gone=('perceptual_loss.',), lost={'loss_vgg_lr', 'loss_vgg_rainy'}
    ),
    'fcg_gan_supervised_x4': Ablation('fcg_gan_x4', 'model.parameter_loss', gained=SUPERVISED),
    'fcg_gan_no_reconstruction_x4': Ablation(
        'fcg_gan_x4', 'model.rain_loss.reconstruction_weight', lost={'loss_rainy'}
    ),
    'fcg_gan_no_vgg_x4': Ablation('fcg_gan_x4', 'model.perceptual_loss', gone=('perceptual_loss.',), lost={'loss_vgg'}),
    **{f'fcg_gan_{name}_x4': one_component(name) for name in COMPONENTS},
}
#: Ablations that change the training or the network but not its slots -> the options.
CHANGES: dict[str, str | tuple[str, ...]] = {
    'fcg_gan_attention_x4': 'model.generator.attention',
    'fcg_gan_subpixel_head_x4': ('model.generator.subpixel_head', 'model.generator.trunk.num_blocks'),
    'fcg_gan_ema_x4': 'custom_hooks',
    'fcg_gan_freeze_bn_x4': 'model.freeze_bn',
    'fcg_gan_hinge_x4': ('model.adversarial_loss.type', 'model.local_adversarial_loss.type'),
    'fcg_gan_l1_x4': 'model.pixel_loss',
    'fcg_gan_literal_decay_x4': tuple(f'optim_wrapper.{group}.optimizer.weight_decay' for group in GROUPS),
    'fcg_gan_psnr_loss_x4': 'model.pixel_loss',
    'fcg_gan_relativistic_x4': ('model.adversarial_loss.type', 'model.local_adversarial_loss.type'),
    'fcg_gan_residual_x4': 'model.generator.residual',
    'fcg_gan_squared_parsing_x4': 'model.parsing_loss',
    'fcg_gan_strong_locals_x4': ('model.adversarial_loss.loss_weight', 'model.local_adversarial_loss.loss_weight'),
    'fpm_palette_x4': (
        'default_hooks.checkpoint',
        'model.face_parser',
        'model.parsing_loss',
        'test_dataloader.dataset.pipeline',
        'test_evaluator',
        'train_dataloader.dataset.pipeline',
        'val_dataloader.dataset.pipeline',
        'val_evaluator',
    ),
    'fpm_equal_weights_x4': 'model.parsing_loss.label_shares',
    'fpm_squared_error_x4': 'model.parsing_loss',
    'hrrm_grey_streak_x4': 'model.rain_removal.streak_channels',
    'hrrm_inverse_x4': 'model.rain_removal.inverse',
    'hrrm_literal_decay_x4': 'optim_wrapper.optimizer.weight_decay',
}
#: Method of such an ablation -> its base.
CHANGED = {'fcg': 'fcg_gan_x4', 'hrrm': 'hrrm_x4', 'fpm': 'fpm_x4_short'}
ENCODERS = {'hrrm_vgg_x4': 'VGGEncoder', 'hrrm_resnet_x4': 'ResNetEncoder'}


def config_of(name: str) -> Config:
    return load_config(name)


def leaves(value: Any, path: str = '') -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, f'{path}.{key}' if path else key)
    else:
        yield path, value


def model_of(name: str) -> nn.Module:
    config = config_of(name)
    config.merge_from_dict(dict(model=narrow(config.model)))
    torch.manual_seed(0)
    return MODELS.build(config.model).train()


@cache
def faces() -> dict:
    pipeline = [dict(type='ScaleAwareHeavyRain', seed=0), dict(type='ParsingTarget'), dict(type='PackFaceInputs')]
    data = FaceDataset(split='val', pipeline=pipeline, limit=2)
    samples = [data[index] for index in range(2)]
    return {key: [sample[key] for sample in samples] for key in ('inputs', 'data_samples')}


@cache
def weights_of(base: str) -> dict[str, Tensor]:
    return model_of(base).state_dict()


def losses_and_log(name: str, base: str) -> tuple[nn.Module, dict[str, float], set[str]]:
    """The model with the weights of the base, its losses on two faces, and the log of a training step."""
    model = model_of(name)
    model.load_state_dict(weights_of(base), strict=False)
    losses = model(**model.data_preprocessor(faces(), training=True), mode='loss')
    wrappers = SlotOptimWrapperConstructor(GROUPS)(model)
    joint = hasattr(model, 'generator')
    log = model.train_step(faces(), wrappers if joint else wrappers['generator'])
    return model, {key: value.item() for key, value in losses.items()}, set(log)


@cache
def base_of(name: str) -> tuple[dict[str, torch.Size], dict[str, float], set[str]]:
    model, losses, log = losses_and_log(name, name)
    return {key: value.shape for key, value in model.named_parameters()}, losses, log


@pytest.mark.parametrize('name', METHODS)
def test_method_has_the_expected_slots_and_losses(name: str) -> None:
    slots, losses, trunk_type, channels = METHODS[name]
    model, _, log = losses_and_log(name, name)
    assert {key.split('.')[0] for key, value in model.named_parameters() if value.requires_grad} == slots
    assert {key for key in log if key.startswith('loss')} == losses
    trunk = model.generator.trunk
    assert type(getattr(trunk, 'network', trunk)).__name__ == trunk_type
    first = next(layer for layer in trunk.modules() if isinstance(layer, nn.Conv2d))
    assert first.in_channels == channels


def test_methods_share_data_schedule_and_metrics() -> None:
    """Two rows of a table differ only in the model."""
    rest = [{key: value for key, value in config_of(name).items() if key != 'model'} for name in METHODS]
    assert all(other == rest[0] for other in rest)


def test_every_ablation_config_is_tested() -> None:
    assert {path.stem for path in (CONFIGS / 'ablations').glob('*.py')} == {*ABLATIONS, *ENCODERS, *CHANGES}


@pytest.mark.parametrize('name', [*ABLATIONS, *ENCODERS, *CHANGES])
def test_ablation_differs_only_in_its_option(name: str) -> None:
    if name in ABLATIONS:
        base, options = ABLATIONS[name][:2]
    elif name in CHANGES:
        family = name.partition('_')[0]
        base, options = CHANGED[family], CHANGES[name]
    else:
        base, options = 'hrrm_x4', 'model.rain_removal.encoder'
    options = (options,) if isinstance(options, str) else options
    ours, theirs = (dict(leaves(config_of(config).to_dict())) for config in (name, base))
    differing = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    changed = {option: [key for key in differing if f'{key}.'.startswith(f'{option}.')] for option in options}
    assert all(changed.values())
    assert differing == set().union(*changed.values())


@pytest.mark.parametrize('name', ABLATIONS)
def test_ablation_lacks_its_slot_and_keeps_the_rest(name: str) -> None:
    ablation = ABLATIONS[name]
    shapes, losses, log = base_of(ablation.base)
    model, own_losses, own_log = losses_and_log(name, ablation.base)
    own_shapes = {key: value.shape for key, value in model.named_parameters()}
    for prefix in ablation.gone:
        assert any(key.startswith(prefix) for key in shapes)
    assert own_shapes == {key: shape for key, shape in shapes.items() if not key.startswith(ablation.gone)}
    assert log - own_log == ablation.lost
    assert own_log - log == ablation.gained
    # with equal weights, the remaining losses are equal
    shared = losses.keys() & own_losses.keys()
    assert shared
    assert {key: own_losses[key] for key in shared} == pytest.approx({key: losses[key] for key in shared}, rel=1e-5)


@pytest.mark.parametrize('name', ENCODERS)
def test_encoder_has_the_named_type(name: str) -> None:
    model, _, log = losses_and_log(name, name)
    encoder = model.rain_removal.encoder
    assert type(encoder).__name__ == ENCODERS[name]
    assert not any(isinstance(layer, DenseLayer) for layer in encoder.modules())
    shapes, _, base_log = base_of('hrrm_x4')
    assert log == base_log
    # only the first layers of a decoder depend on the widths of the encoder
    inside = 'rain_removal.encoder.'
    own = {key for key, _ in model.named_parameters() if not key.startswith(inside)}
    assert own == {key for key in shapes if not key.startswith(inside)}


@pytest.mark.slow
@pytest.mark.parametrize('path', sorted((CONFIGS / 'paper').glob('*.py')), ids=lambda path: path.stem)
def test_network_of_published_size_trains_a_step(path: Path) -> None:
    config = load_config(path)
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    weight = next(parameter for parameter in model.parameters() if parameter.requires_grad)
    before = weight.detach().clone()
    wrappers = SlotOptimWrapperConstructor(GROUPS)(model)
    log = model.train_step(faces(), wrappers if hasattr(model, 'generator') else wrappers['generator'])
    assert all(value.isfinite().all() for value in log.values())
    assert not torch.equal(before, weight)

"""The three training schemes: losses, gradients of each network, and empty slots."""

from pathlib import Path

import numpy as np
import pytest
import torch
from narrow import narrow
from torch import Tensor, nn

from rainrestore.datasets import FaceDataset
from rainrestore.engine.config import load_config
from rainrestore.engine.optim import SlotOptimWrapperConstructor
from rainrestore.models.restorers import FCGGAN, FaceParser, RainRemover
from rainrestore.models.restorers.fcg_gan import LocalDiscriminator
from rainrestore.physics import RainEstimate
from rainrestore.physics import forward as rain_forward
from rainrestore.registry import MODELS

pytest.importorskip('mmagic')
CONFIGS = Path(__file__).parents[1] / 'configs'
TINY = {
    'rain_removal': dict(
        type='HRRM',
        encoder=dict(type='DenseNetEncoder', growth=4, blocks=(1, 1), stem_channels=8),
        decoder_growth=(8, 8, 4),
    ),
    'face_parser': dict(type='FaceParsingUNet', base_channels=4),
    'generator': dict(type='FCGGenerator', trunk=dict(type='SRResNetTrunk', channels=8, num_blocks=1), channels=8),
    'discriminator': dict(type='SRGANDiscriminator', base_channels=4),
}
OPTIMIZER = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
GROUPS = dict(
    generator=dict(OPTIMIZER, slots=['generator', 'rain_removal', 'face_parser']),
    discriminator=dict(OPTIMIZER, slots=['discriminator', 'local_discriminators']),
)


def tiny(config: str, **changes: object) -> nn.Module:
    """A model of ``configs/`` at tiny widths, with the slots of the config."""
    torch.manual_seed(0)
    model = load_config(config).model
    model.update(changes)
    for slot, small in TINY.items():
        if model.get(slot) is not None:
            model[slot] = small
    for discriminator in (model.get('local_discriminators') or {}).values():
        discriminator['discriminator'] = TINY['discriminator']
    return MODELS.build(model)


def batch(count: int = 2, size: int = 128) -> dict:
    pipeline = [
        dict(type='ScaleAwareHeavyRain', seed=0), dict(type='ParsingTarget'), dict(type='PackFaceInputs')
    ]  # fmt: skip
    data = FaceDataset(split='val', pipeline=pipeline, limit=count, size=size)
    samples = [data[index] for index in range(count)]
    return {key: [sample[key] for sample in samples] for key in ('inputs', 'data_samples')}


@pytest.fixture(scope='module')
def faces() -> dict:
    return batch()


def gradients(module: nn.Module) -> float:
    return sum(p.grad.abs().sum().item() for p in module.parameters() if p.grad is not None)


def snapshot(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def moved(module: nn.Module, before: list[Tensor]) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True))


def test_preprocessor_scales_pixels_and_keeps_the_colour_order() -> None:
    red = torch.zeros(3, 4, 4, dtype=torch.uint8)
    red[0] = 255
    data = MODELS.build(dict(type='RestorationPreprocessor'))({'inputs': [red, red]})
    assert torch.equal(data['inputs'][1], red / 255.0)
    with pytest.raises(ValueError, match='differ in size'):
        MODELS.build(dict(type='RestorationPreprocessor'))({'inputs': [red, red[:, :2]]})


def test_rain_remover_minimises_equation_17(faces: dict) -> None:
    model: RainRemover = tiny('hrrm_x4')
    data = model.data_preprocessor(faces, training=True)
    losses = model(**data, mode='loss')
    assert set(losses) == {'loss_lr', 'loss_rainy', 'loss_vgg_lr', 'loss_vgg_rainy'}
    estimate: RainEstimate = model.rain_removal(data['inputs'])
    lr = torch.stack([sample.lr_img for sample in data['data_samples']])
    again = rain_forward(lr, *estimate[1:])
    vgg = model.perceptual_loss
    wanted = (estimate.lr - lr).square().mean() + (again - data['inputs']).square().mean()
    wanted = wanted + vgg(estimate.lr, lr) + vgg(again, data['inputs'])
    assert vgg.loss_weight == 0.1
    torch.testing.assert_close(sum(losses.values()), wanted, rtol=1e-4, atol=1e-6)


def test_rain_parameters_can_be_supervised(faces: dict) -> None:
    config = load_config(CONFIGS / 'hrrm_x4.py').model
    model = MODELS.build(
        dict(
            config,
            rain_removal=TINY['rain_removal'],
            perceptual_loss=None,
            parameter_loss=dict(type='RainParameterLoss'),
        )
    )
    losses = model(**model.data_preprocessor(faces, training=True), mode='loss')
    assert set(losses) == {'loss_lr', 'loss_rainy', 'loss_streak', 'loss_transmission', 'loss_airlight'}


def test_face_parser_training_does_not_change_rain_removal(faces: dict) -> None:
    model: FaceParser = tiny('fpm_x4')
    model.train()
    statistics = [b.clone() for b in model.rain_removal.buffers()]
    losses = model(**model.data_preprocessor(faces, training=True), mode='loss')
    losses['loss_parsing'].backward()
    assert gradients(model.rain_removal) == 0
    assert gradients(model.face_parser) > 0
    assert all(torch.equal(a, b) for a, b in zip(statistics, model.rain_removal.buffers(), strict=True))


def test_generator_step_updates_all_networks_except_discriminators(faces: dict) -> None:
    model: FCGGAN = tiny('fcg_gan_x4')
    data = model.data_preprocessor(faces, training=True)
    for _, discriminator, _ in model.discriminators():
        discriminator.requires_grad_(False)
    losses, face, truth = model.generator_losses(**data)
    sum(losses.values()).backward()
    for slot in ('generator', 'rain_removal', 'face_parser'):
        assert gradients(getattr(model, slot)) > 0
    assert gradients(model.discriminator) == gradients(model.local_discriminators) == 0
    assert not face.requires_grad
    assert set(losses) == {
        'loss_pixel', 'loss_vgg', 'loss_adv_global', 'loss_adv_eyes', 'loss_adv_nose', 'loss_adv_lips', 'loss_lr',
        'loss_rainy', 'loss_parsing',
    }  # fmt: skip
    assert truth.max() <= 1


def test_each_adversarial_term_reaches_the_generator(faces: dict) -> None:
    """A known mistake of public code: the input of the discriminator is detached in the generator's step."""
    model: FCGGAN = tiny('fcg_gan_x4')
    losses, _, _ = model.generator_losses(**model.data_preprocessor(faces, training=True))
    for name in ('global', 'eyes', 'nose', 'lips'):
        model.zero_grad()
        losses[f'loss_adv_{name}'].backward(retain_graph=True)
        assert gradients(model.generator) > 0


def test_discriminator_step_updates_only_the_discriminators(faces: dict) -> None:
    model: FCGGAN = tiny('fcg_gan_x4')
    wrappers = SlotOptimWrapperConstructor(GROUPS)(model)
    slots = ('generator', 'rain_removal', 'face_parser')
    before = {slot: snapshot(getattr(model, slot)) for slot in slots}
    discriminators = {name: snapshot(discriminator) for name, discriminator, _ in model.discriminators()}
    face, truth = torch.rand(2, 3, 128, 128), torch.rand(2, 3, 128, 128)
    log = model.discriminator_step(face, truth, torch.rand(2, 3, 32, 32), wrappers['discriminator'])
    assert not any(moved(getattr(model, slot), before[slot]) for slot in slots)
    assert all(moved(discriminator, discriminators[name]) for name, discriminator, _ in model.discriminators())
    assert 0 <= log['slope_global'] <= 0.25


def test_train_step_updates_generator_first_then_each_discriminator(
    faces: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: FCGGAN = tiny('fcg_gan_x4').train()
    wrappers = SlotOptimWrapperConstructor(GROUPS)(model)
    order: list[str] = []
    for name, wrapper in wrappers.items():
        step = wrapper.update_params
        monkeypatch.setattr(wrapper, 'update_params', lambda loss, n=name, s=step: (order.append(n), s(loss)))
    before = snapshot(model)
    log = model.train_step(faces, wrappers)
    assert order == ['generator', 'discriminator']
    assert all(not torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True) if a.requires_grad)
    assert all(p.requires_grad for _, discriminator, _ in model.discriminators() for p in discriminator.parameters())
    assert {'loss', 'loss_disc_global', 'prob_real_eyes', 'prob_fake_lips', 'slope_nose'} <= set(log)


def test_true_and_restored_faces_are_separate_batches(faces: dict) -> None:
    model: FCGGAN = tiny('fcg_gan_x4').train()
    wrappers = SlotOptimWrapperConstructor(GROUPS)(model)
    sizes: list[int] = []
    model.discriminator.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    model.train_step(faces, wrappers)
    assert sizes == [2, 2, 2]  # the generator's step, then the true and the restored faces


def test_generator_can_step_more_often_than_the_discriminators(faces: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner's counter decides, so a resumed run continues the pattern."""
    from mmengine.logging import MessageHub

    torch.manual_seed(0)
    config = load_config(CONFIGS / 'srgan' / 'srgan_x4.py')
    config.merge_from_dict({'model': {**narrow(config.model), 'generator_steps': 3}})
    model: FCGGAN = MODELS.build(config.model).train()
    wrappers = SlotOptimWrapperConstructor(GROUPS)(model)
    stepped = []
    for iteration in range(3, 8):
        monkeypatch.setitem(MessageHub.get_current_instance().runtime_info, 'iter', iteration)
        before = snapshot(model.discriminator), snapshot(model.generator)
        log = model.train_step(faces, wrappers)
        assert moved(model.generator, before[1])
        assert moved(model.discriminator, before[0]) == ('loss_disc_global' in log)
        stepped.append('loss_disc_global' in log)
    assert stepped == [True, False, False, True, False]
    with pytest.raises(ValueError, match='generator_steps must be at least 1, got 0'):
        FCGGAN(generator=dict(config.model.generator), pixel_loss=None, generator_steps=0)


def test_freeze_bn_keeps_the_statistics_of_the_pretraining(faces: dict) -> None:
    """In training, a slot with frozen batch norm predicts as in evaluation, and its weights are trained."""
    model = tiny('fcg_gan_x4', freeze_bn=('rain_removal',))
    inputs = model.data_preprocessor(faces, training=True)['inputs']
    in_use = model.eval().rain_removal(inputs).lr
    model.train()
    torch.testing.assert_close(model.rain_removal(inputs).lr, in_use)
    assert not torch.allclose(tiny('fcg_gan_x4').train().rain_removal(inputs).lr, in_use)
    statistics = {key: value.clone() for key, value in model.named_buffers() if key.endswith('running_mean')}
    weights = snapshot(model.rain_removal)
    model.train_step(faces, SlotOptimWrapperConstructor(GROUPS)(model))
    changed = {key.split('.')[0] for key, value in model.named_buffers() if key in statistics
               and not torch.equal(value, statistics[key])}  # fmt: skip
    assert changed == {'generator', 'face_parser', 'discriminator', 'local_discriminators'}
    assert moved(model.rain_removal, weights)


def test_rain_removal_with_freeze_bn_computes_the_same_in_training(faces: dict) -> None:
    model = tiny('hrrm_x4', freeze_bn=('rain_removal',))
    inputs = model.data_preprocessor(faces, training=True)['inputs']
    in_use = model.eval().rain_removal(inputs).lr
    torch.testing.assert_close(model.train().rain_removal(inputs).lr, in_use)
    assert model.rain_removal.training


def test_freeze_bn_of_an_empty_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="freeze_bn: the slot 'rain_removal' does not exist or is empty"):
        tiny('srgan_x4', freeze_bn=('rain_removal',))


def test_log_has_psnr_and_the_discriminators_accuracy(faces: dict) -> None:
    model: FCGGAN = tiny('srgan_x4').train()
    wrappers = SlotOptimWrapperConstructor(GROUPS)(model)
    nn.init.constant_(model.discriminator.head[-1].bias, 50)  # classifies everything as true
    log = model.train_step(faces, wrappers)
    assert log['accuracy_global'] == 0.5
    # A certain discriminator gives no gradient; TrainingWatchHook warns of this.
    assert log['slope_global'] < 1e-4
    assert log['psnr_train'].item() == pytest.approx(-10 * np.log10(log['loss_pixel'].item()), abs=1e-3)


def test_output_of_a_least_squares_discriminator_is_its_probability(faces: dict) -> None:
    model: FCGGAN = tiny('srgan_x4', adversarial_loss=dict(type='LeastSquaresAdversarialLoss')).train()
    nn.init.zeros_(model.discriminator.head[-1].weight)
    nn.init.constant_(model.discriminator.head[-1].bias, 0.3)  # classifies everything as restored
    log = model.train_step(faces, SlotOptimWrapperConstructor(GROUPS)(model))
    assert log['prob_real_global'].item() == pytest.approx(0.3) == log['prob_fake_global'].item()
    assert log['accuracy_global'] == 0.5


def test_log_of_a_relativistic_discriminator_uses_differences(faces: dict) -> None:
    """The generator's loss needs the logits of the true faces. A common offset has no effect on the logged
    probabilities.
    """
    model: FCGGAN = tiny('esrgan_x4').train()
    data = model.data_preprocessor(faces, training=True)
    losses, face, truth = model.generator_losses(**data)
    real, fake = (model.discriminator(image).double() for image in (truth, face))
    wanted = -(fake - real.mean()).sigmoid().log().mean() - (1 - (real - fake.mean()).sigmoid()).log().mean()
    assert losses['loss_adv_global'].item() == pytest.approx(1e-3 * wanted.item(), rel=1e-4)
    still = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.0))
    wrappers = SlotOptimWrapperConstructor({name: dict(group, **still) for name, group in GROUPS.items()})(model)
    logs = []
    for offset in (0, 5):
        nn.init.constant_(model.discriminator.head[-1].bias, offset)
        logs.append(model.discriminator_step(face, truth, data['inputs'], wrappers['discriminator']))
    assert logs[0].keys() == logs[1].keys() >= {'prob_real_global', 'prob_fake_global', 'slope_global'}
    for key, value in logs[0].items():
        torch.testing.assert_close(value, logs[1][key], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('config', 'slots', 'absent'),
    [
        (
            'fcg_srgan_x4',
            {'rain_removal', 'face_parser', 'generator', 'discriminator'},
            {'loss_adv_eyes', 'loss_adv_lips'},
        ),
        ('srgan_x4', {'generator', 'discriminator'}, {'loss_lr', 'loss_rainy', 'loss_parsing', 'loss_adv_nose'}),
    ],
)
def test_empty_slot_removes_its_parameters_and_losses(
    faces: dict, config: str, slots: set[str], absent: set[str]
) -> None:
    model: FCGGAN = tiny(config).train()
    owners = {name.split('.')[0] for name, p in model.named_parameters() if p.requires_grad}
    assert owners == slots
    log = model.train_step(faces, SlotOptimWrapperConstructor(GROUPS)(model))
    assert not absent & set(log)
    outputs = model.eval()(torch.rand(1, 3, 32, 32))
    assert set(outputs) == ({'pred_img'} if config == 'srgan_x4' else set(outputs) | {'parsing'})


def test_prediction_has_the_documented_shapes_and_ranges(faces: dict) -> None:
    model = tiny('fcg_gan_x4').eval()
    samples = model.test_step({key: list(value) for key, value in faces.items()})
    for sample in samples:
        assert sample.output.pred_img.shape == sample.gt_img.shape == (3, 128, 128)
        assert sample.output.pred_img.min() >= 0
        assert 1 < sample.output.pred_img.max() <= 255
        assert sample.output.parsing.shape == (19, 32, 32)
        assert sample.output.airlight.shape == (3, 1, 1)
    with pytest.raises(ValueError, match="mode must be 'tensor', 'loss' or 'predict', got 'train'"):
        model(torch.rand(1, 3, 8, 8), mode='train')


def test_images_and_truth_are_channels_last(faces: dict) -> None:
    """Convolutions are fastest in this layout. Another layout costs a conversion at each layer."""
    model = tiny('fcg_gan_x4')
    data = model.data_preprocessor(faces, training=True)
    truth = model.truth(data['data_samples'], 'gt_img')
    for images in (data['inputs'], truth, model.truth(data['data_samples'], 'parsing')):
        assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(truth[1], faces['data_samples'][1].gt_img / 255)
    assert model.truth(data['data_samples'], 'parsing_labels').shape == (2, 19)


def test_missing_ground_truth_is_named(faces: dict) -> None:
    model = tiny('hrrm_x4')
    samples = [sample.clone() for sample in faces['data_samples']]
    for sample in samples:
        del sample.lr_img
    with pytest.raises(KeyError, match=r"'lr_img'.*val_0000.*ScaleAwareHeavyRain"):
        model(torch.rand(2, 3, 32, 32), samples, mode='loss')


def test_box_must_be_inside_the_face() -> None:
    discriminator = LocalDiscriminator(TINY['discriminator'], (37, 41, 91, 73))
    with pytest.raises(ValueError, match='exceeds the face of 64x64'):
        discriminator(torch.rand(1, 3, 64, 64))
    with pytest.raises(ValueError, match='box must be x0, y0, x1, y1'):
        LocalDiscriminator(TINY['discriminator'], (5, 5, 5, 9))


def test_local_discriminator_gets_only_its_box() -> None:
    discriminator = LocalDiscriminator(TINY['discriminator'], (40, 40, 80, 72)).eval()
    face = torch.rand(1, 3, 128, 128)
    outside, inside = face.clone(), face.clone()
    outside[..., :40, :] = 0
    inside[..., 50:60, 50:60] = 0
    assert torch.equal(discriminator(outside), discriminator(face))
    assert not torch.equal(discriminator(inside), discriminator(face))


@pytest.mark.parametrize('missing', ['adversarial_loss', 'local_adversarial_loss'])
def test_discriminators_need_their_losses(missing: str) -> None:
    config = load_config(CONFIGS / 'fcg_gan_x4.py').model
    config.update(rain_removal=None, face_parser=None, generator=TINY['generator'])
    config[missing] = None
    with pytest.raises(ValueError, match=missing):
        MODELS.build(config)


@pytest.mark.parametrize(('config', 'steps'), [('hrrm_x4', 25), ('fcg_gan_x4', 15)])
def test_overfits_two_faces(faces: dict, config: str, steps: int) -> None:
    """A few training steps increase the PSNR by several dB."""
    model = tiny(config).train()
    key, truth = ('lr_img', 'lr_img') if config == 'hrrm_x4' else ('pred_img', 'gt_img')

    def psnr() -> float:
        with torch.no_grad():
            data = model.data_preprocessor(faces, training=True)
            output = model(data['inputs'])[key]
            return -10 * (output - model.truth(data['data_samples'], truth)).square().mean().log10().item()

    groups = {name: dict(group, optimizer=dict(type='Adam', lr=5e-3)) for name, group in GROUPS.items()}
    wrappers = SlotOptimWrapperConstructor(groups)(model)
    first = psnr()
    for _ in range(steps):
        model.train_step(faces, wrappers if config == 'fcg_gan_x4' else wrappers['generator'])
    assert psnr() > first + 4

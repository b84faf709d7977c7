"""Pix2pix and Heavy-Rain Removal, the compared methods of the paper, in this package's training loop."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rainrestore.checkpoints import load_checkpoint
from rainrestore.datasets import FaceDataset
from rainrestore.engine.config import load_config
from rainrestore.engine.optim import SlotOptimWrapperConstructor
from rainrestore.models.networks import DepthGuidedDiscriminator, HeavyRainEstimator, RefinementUNet
from rainrestore.models.networks.layers import enlarge
from rainrestore.models.restorers import ConditionalGAN, FaceParser, HeavyRainGAN, HeavyRainRemover
from rainrestore.physics import forward as rain_forward
from rainrestore.registry import MODELS

pytest.importorskip('mmagic')
CONFIGS = Path(__file__).parents[1] / 'configs'
ESTIMATOR = dict(
    type='HeavyRainEstimator',
    decomposition=dict(type='GuidedFilterDecomposition', radii=(2,), eps=(1e-3,)),
    streak=dict(type='StreakNet', channels=8, num_blocks=1),
    transmission=dict(type='UNet', out_channels=1, base_channels=4),
    airlight=dict(type='AirlightNet', base_channels=4),
)
GROUPS = ('generator', 'discriminator')


def tiny(name: str) -> nn.Module:
    """The model of a config at tiny widths."""
    torch.manual_seed(0)
    model = load_config(name).model
    if name == 'pix2pix_x4':
        model.generator.network.base_channels = model.discriminator.base_channels = 4
    else:
        model.rain_removal = ESTIMATOR
    if name == 'heavy_rain_removal_x4':
        model.generator.base_channels = model.discriminator.base_channels = 4
    return MODELS.build(model)


def wrappers(model: nn.Module, name: str):
    return SlotOptimWrapperConstructor(
        {group: options for group, options in load_config(name).optim_wrapper.items()
         if group in GROUPS}
    )(model)  # fmt: skip


def batch() -> dict:
    pipeline = [dict(type='ScaleAwareHeavyRain', seed=0), dict(type='PackFaceInputs')]
    data = FaceDataset(split='val', pipeline=pipeline, limit=2)
    samples = [data[index] for index in range(2)]
    return {key: [sample[key] for sample in samples] for key in ('inputs', 'data_samples')}


@pytest.fixture(scope='module')
def faces() -> dict:
    return batch()


@pytest.fixture(scope='module')
def small_faces() -> dict:
    """The top left quarters of the faces, for tests of many steps."""
    faces = batch()
    for sample in faces['data_samples']:
        sample.gt_img = sample.gt_img[:, :64, :64]
        for key in ('lr_img', 'streak', 'transmission'):
            setattr(sample, key, getattr(sample, key)[:, :16, :16])
    return {**faces, 'inputs': [image[:, :16, :16] for image in faces['inputs']]}


def gradients(module: nn.Module) -> float:
    return sum(p.grad.abs().sum().item() for p in module.parameters() if p.grad is not None)


# Pix2pix


def test_pix2pix_has_its_published_size() -> None:
    """54.414 M parameters for 256 x 256 (8 halvings, width 64), and 2.769 M in the 70 x 70 discriminator. The
    authors' code prints these values.
    """
    from rainrestore.models.networks import ImageToImageGenerator

    config = load_config('pix2pix_x4').model
    network = dict(config.generator.network, num_down=8, base_channels=64)
    with torch.device('meta'):
        generator = ImageToImageGenerator(network, multiple=256)
        discriminator = MODELS.build(dict(config.discriminator, base_channels=64))
    assert round(sum(p.numel() for p in generator.parameters()) / 1e6, 3) == 54.414
    assert round(sum(p.numel() for p in discriminator.parameters()) / 1e6, 3) == 2.769


def test_patch_discriminator_has_a_receptive_field_of_70_pixels() -> None:
    discriminator = MODELS.build(dict(load_config('pix2pix_x4').model.discriminator, base_channels=4)).eval()
    image = torch.rand(1, 6, 256, 256, requires_grad=True)
    discriminator(image)[0, 0, 15, 15].backward()
    seen = image.grad[0].abs().sum(0).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [70, 70]


@pytest.mark.parametrize('sides', [(32, 32), (20, 37)])
def test_pix2pix_restores_any_size_within_the_range(sides: tuple[int, int]) -> None:
    model: ConditionalGAN = tiny('pix2pix_x4').eval()
    face = model(torch.rand(2, 3, *sides))['pred_img']
    assert face.shape == (2, 3, 4 * sides[0], 4 * sides[1])
    assert face.min() >= 0
    assert face.max() <= 1


def test_pix2pix_generator_accepts_the_modules_of_the_paper() -> None:
    """Its slots are those of FCGGAN: J and F are inputs if their slots are filled."""
    generator = MODELS.build(
        dict(
            type='ImageToImageGenerator',
            network=dict(type='UNet', base_channels=4),
            multiple=8,
            derained=True,
            parsing_channels=19,
        )
    )
    assert generator.network.in_channels == 25
    images = [torch.rand(1, c, 8, 8) for c in (3, 3, 19)]
    assert generator(*images).shape == (1, 3, 32, 32)


def test_pix2pix_losses_equal_those_of_the_paper(faces: dict) -> None:
    model: ConditionalGAN = tiny('pix2pix_x4').train()
    data = model.data_preprocessor(faces, training=True)
    torch.manual_seed(1)
    losses, face, truth = model.generator_losses(**data)
    assert set(losses) == {'loss_pixel', 'loss_adv_global'}
    # 100 times the mean difference of images in [-1, 1]
    wanted = 100 * ((2 * face - 1) - (2 * truth - 1)).abs().mean()
    torch.testing.assert_close(losses['loss_pixel'].detach(), wanted)
    real, fake = (model.discriminate(model.discriminator, image, data['inputs']) for image in (truth, face))
    assert real.shape == (2, 1, 14, 14)
    torch.testing.assert_close(losses['loss_adv_global'], -fake.sigmoid().log().mean())
    loss = model.discriminator_loss(model.adversarial_loss, real, fake, data['inputs'])
    torch.testing.assert_close(loss, -0.5 * (real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean()))
    optimisers = wrappers(model, 'pix2pix_x4')
    for group in GROUPS:
        options = optimisers[group].optimizer.param_groups[0]
        assert (options['lr'], options['betas'], options['weight_decay']) == (2e-4, (0.5, 0.999), 0)


def test_contrastive_loss_compares_restored_true_and_enlarged_face(faces: dict) -> None:
    config = load_config('pix2pix_x4').model
    config.generator.network.base_channels = config.discriminator.base_channels = 4
    torch.manual_seed(0)
    model: ConditionalGAN = MODELS.build({**config, 'contrastive_loss': dict(type='ContrastiveLoss')})
    data = model.data_preprocessor(faces, training=True)
    losses, face, truth = model.generator_losses(**data)
    wanted = model.contrastive_loss(face, truth, enlarge(data['inputs'], face.shape[-2:]))
    assert losses['loss_contrastive'].item() == pytest.approx(wanted.item(), rel=1e-5)
    losses['loss_contrastive'].backward()
    assert gradients(model.generator) > 0


def test_discriminator_is_conditional() -> None:
    model: ConditionalGAN = tiny('pix2pix_x4').eval()
    face, rainy = torch.rand(1, 3, 128, 128), torch.rand(2, 3, 32, 32)
    first, second = (model.discriminate(model.discriminator, face, rainy[i : i + 1]) for i in range(2))
    assert not torch.allclose(first, second)
    pair = model.pair(rainy, torch.rand(2, 3, 128, 128))
    torch.testing.assert_close((pair[:, :3] + 1) / 2, enlarge(rainy, (128, 128)))


# Heavy-Rain Removal


def test_estimator_with_true_maps_inverts_the_enlarged_rain() -> None:
    """U(I) = T (U(J) + U(S)) + (1 - T) A for a uniform T, so enlarged true maps are the true maps of the enlarged
    image.
    """
    (sample, *_) = batch()['data_samples']
    maps = {key: getattr(sample, key)[None] for key in ('lr_img', 'streak', 'transmission', 'airlight')}
    rainy = rain_forward(*(maps[key] for key in ('lr_img', 'streak', 'transmission', 'airlight')))
    large = {key: enlarge(maps[key], (128, 128)) for key in ('lr_img', 'streak', 'transmission')}
    again = rain_forward(large['lr_img'], large['streak'], large['transmission'], maps['airlight'])
    # except where the overshoot of the bicubic enlargement is clipped
    assert (again - enlarge(rainy, (128, 128))).abs().mean() < 1e-3

    class Known(nn.Module):
        def __init__(self, value: Tensor) -> None:
            super().__init__()
            self.value = value

        def forward(self, _: Tensor) -> Tensor:
            return self.value.clamp(1e-6, 1 - 1e-6).logit()

    estimator: HeavyRainEstimator = MODELS.build(ESTIMATOR)
    estimator.streak, estimator.transmission = Known(large['streak']), Known(large['transmission'])
    estimator.airlight = Known(maps['airlight'])
    estimate = estimator(rainy)
    assert (estimate.lr - large['lr_img']).abs().mean() < 3e-3
    small = estimator.at_low_resolution(estimate, rainy)
    assert (small.streak - maps['streak']).abs().mean() < 0.02 * maps['streak'].mean()
    assert (small.lr - maps['lr_img']).abs().mean() < 5e-3
    torch.testing.assert_close(small.transmission, maps['transmission'])


@pytest.mark.parametrize('name', ['heavy_rain_removal_stage1_x4', 'heavy_rain_removal_x4'])
def test_heavy_rain_removal_predicts_like_the_other_restorers(faces: dict, name: str) -> None:
    model = tiny(name).eval()
    for sample in model.test_step({key: list(value) for key, value in faces.items()}):
        for key in ('lr_img', 'streak', 'transmission', 'airlight'):
            value = getattr(sample.output, key)
            assert value.shape == getattr(sample, key).shape
            assert value.min() >= 0
            assert value.max() <= 1
        if name == 'heavy_rain_removal_x4':
            assert sample.output.pred_img.shape == sample.gt_img.shape
    assert model(torch.rand(1, 3, 9, 14))['streak'].shape == (1, 3, 9, 14)


def test_stage_1_supervises_the_enlarged_maps(faces: dict) -> None:
    model: HeavyRainRemover = tiny('heavy_rain_removal_stage1_x4').eval()
    data = model.data_preprocessor(faces, training=True)
    losses = model(**data, mode='loss')
    assert set(losses) == {'loss_streak', 'loss_transmission', 'loss_airlight', 'loss_transmission_gradient'}
    estimate = model.rain_removal(data['inputs'])
    assert estimate.streak.shape == (2, 3, 128, 128)
    streak = torch.stack([sample.streak for sample in data['data_samples']])
    torch.testing.assert_close(losses['loss_streak'], (estimate.streak - enlarge(streak, (128, 128))).square().mean())
    T = estimate.transmission  # the ground truth is uniform, so the whole slope is error
    slope = T.diff(dim=2).abs().mean() + T.diff(dim=3).abs().mean()
    torch.testing.assert_close(losses['loss_transmission_gradient'], 0.5 * slope, rtol=1e-3, atol=1e-6)


def test_adversarial_term_has_gradients_for_generator_and_physics(small_faces: dict) -> None:
    """A known mistake of public code: the input of the discriminator is detached in the generator's step."""
    model: HeavyRainGAN = tiny('heavy_rain_removal_x4').train()
    losses, _, _ = model.generator_losses(**model.data_preprocessor(small_faces, training=True))
    assert set(losses) == {
        'loss_pixel', 'loss_vgg', 'loss_adv_global', 'loss_streak', 'loss_transmission', 'loss_airlight',
        'loss_transmission_gradient',
    }  # fmt: skip
    losses['loss_adv_global'].backward()
    for part in (model.generator, model.rain_removal.streak, model.rain_removal.transmission,
                 model.rain_removal.airlight):  # fmt: skip
        assert gradients(part) > 0
    without = [key for key, p in model.generator.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without


def test_adversarial_steps_raise_the_discriminator_output(small_faces: dict) -> None:
    """The gradient has the correct sign: a few steps on this term alone reduce the loss for a fixed discriminator."""
    model: HeavyRainGAN = tiny('heavy_rain_removal_x4').train()
    data = model.data_preprocessor(small_faces, training=True)
    optimiser = torch.optim.Adam(model.generator.parameters(), lr=1e-3)
    history = []
    for _ in range(6):
        losses, _, _ = model.generator_losses(**data)
        optimiser.zero_grad()
        losses['loss_adv_global'].backward()
        optimiser.step()
        history.append(losses['loss_adv_global'].item())
    assert history[-1] < history[0]


def test_depth_map_is_trained_with_the_veil(faces: dict) -> None:
    model: HeavyRainGAN = tiny('heavy_rain_removal_x4').eval()
    data = model.data_preprocessor(faces, training=True)
    face, truth = torch.rand(2, 3, 128, 128), torch.rand(2, 3, 128, 128)
    discriminator: DepthGuidedDiscriminator = model.discriminator
    said = [model.discriminate(discriminator, image, data['inputs']) for image in (truth, face)]
    loss = model.discriminator_loss(model.adversarial_loss, *said, data['inputs'])
    maps = [output[1] for output in said]
    veil = 1 - model.rain_removal(data['inputs']).transmission
    veil = veil.unfold(2, 4, 4).unfold(3, 4, 4).mean((-1, -2))
    wanted = 0.5 * (maps[0].square().mean() + (maps[1] - veil).square().mean())
    real, fake = (model.logits(output) for output in said)
    torch.testing.assert_close(loss - model.adversarial_loss.discriminator_loss(real, fake), wanted)
    loss.backward()
    assert gradients(discriminator) > 0
    assert gradients(model.rain_removal) == gradients(model.generator) == 0


def test_depth_map_weights_the_features() -> None:
    discriminator = DepthGuidedDiscriminator(base_channels=4).eval()
    nn.init.constant_(discriminator.depth.bias, -100)  # depth 0 everywhere
    logits, depth = discriminator(torch.rand(2, 6, 64, 64))
    assert depth.max() < 1e-20
    assert torch.equal(logits[0], logits[1])


def test_airlight_is_an_input_of_the_refinement() -> None:
    network = RefinementUNet(base_channels=4, levels=3).eval()
    image, airlight = torch.rand(1, 3, 21, 34), torch.rand(1, 3, 1, 1)
    restored = network(image, airlight)
    assert restored.shape == image.shape
    assert not torch.allclose(restored, network(image, 1 - airlight))


@pytest.mark.parametrize('name', ['pix2pix_x4', 'heavy_rain_removal_x4'])
def test_train_step_updates_every_weight_once(faces: dict, name: str) -> None:
    model = tiny(name).train()
    groups = wrappers(model, name)
    before = {key: p.detach().clone() for key, p in model.named_parameters() if p.requires_grad}
    log = model.train_step(faces, groups)
    same = [key for key, p in model.named_parameters() if key in before and torch.equal(p, before[key])]
    # at the start, true and restored patches pull the last bias with equal force
    assert set(same) <= {'discriminator.model.4.bias'}
    assert {'loss', 'loss_disc_global', 'prob_real_global', 'slope_global'} <= set(log)


def test_stage_2_loads_all_weights_of_stage_1() -> None:
    """load_from of stage 1 fills the estimator, and has no weights that stage 2 lacks."""
    first, second = tiny('heavy_rain_removal_stage1_x4'), tiny('heavy_rain_removal_x4')
    report = second.load_state_dict(first.state_dict(), strict=False)
    assert not report.unexpected_keys
    assert {key.split('.')[0] for key in report.missing_keys} == {'generator', 'discriminator'}


@pytest.mark.parametrize('name', ['pix2pix_x4', 'heavy_rain_removal_x4', 'heavy_rain_removal_stage1_x4'])
def test_overfits_two_faces(small_faces: dict, name: str) -> None:
    model = tiny(name).train()
    key, truth = ('lr_img', 'lr_img') if 'stage1' in name else ('pred_img', 'gt_img')

    def psnr() -> float:
        with torch.no_grad():
            data = model.data_preprocessor(small_faces, training=True)
            error = model(data['inputs'])[key] - model.truth(data['data_samples'], truth)
            return -10 * error.square().mean().log10().item()

    optimiser = torch.optim.Adam(
        [p for key, p in model.named_parameters() if p.requires_grad and 'discriminator' not in key], lr=5e-3
    )
    first = psnr()
    for _ in range(25):
        losses = model(**model.data_preprocessor(small_faces, training=True), mode='loss')
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    assert psnr() > first + 1


def test_parsing_network_kept_its_parameter_names() -> None:
    """The parsing network is now a case of the shared U-Net. The bundled checkpoint must still fill it, name by
    name.
    """
    model: FaceParser = MODELS.build(load_config(CONFIGS / 'fpm_x4.py').model)
    state = load_checkpoint('rainrestore://fpm_x4')['state_dict']
    own = {key: value.shape for key, value in model.face_parser.state_dict().items()}
    assert {key: state[f'face_parser.{key}'].shape for key in own} == own

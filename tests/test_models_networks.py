"""Shapes, ranges and gradients of every registered network, found through the registry."""

import inspect
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from rainrestore.errors import ConfigError, MissingPackageError
from rainrestore.models.networks import HRRM, EDSRTrunk, FaceParsingUNet, FCGGenerator, NetworkTrunk, SRGANDiscriminator
from rainrestore.optional import optional_import
from rainrestore.physics import RainEstimate
from rainrestore.registry import MODELS

MODELS.import_from_location()
NETWORKS = {
    name: part
    for name, part in MODELS.module_dict.items()
    if issubclass(part, nn.Module) and part.__module__.startswith('rainrestore.models.networks')
}
TINY_ENCODER = dict(type='DenseNetEncoder', growth=4, blocks=(1, 1, 1), stem_channels=8)
TINY_TRUNK = dict(type='SRResNetTrunk', channels=8, num_blocks=1)
TINY_RRDB = dict(
    network=dict(type='mmagic.RRDBNet', out_channels=3, mid_channels=8, num_blocks=1, growth_channels=4),
    after='conv_body',
    tail=['conv_up1', 'conv_up2', 'conv_hr', 'conv_last'],
)
TINY_SWINIR = dict(
    network=dict(
        type='mmagic.SwinIRNet', img_size=16, window_size=8, embed_dim=8, depths=[2], num_heads=[2], drop_path_rate=0
    ),
    in_option='in_chans',
    body='forward_features',
    after='conv_after_body',
    tail=['conv_last'],
    multiple=8,
)
# Options for tiny networks, where the defaults are larger, and the channels of the inputs; several variants of one
# network are NAME-VARIANT. A network without an entry is built from its defaults and gets one RGB image, so that a new
# network is tested without an entry.
ARGUMENTS: dict[str, dict] = {
    'DenseNetEncoder': dict(growth=4, blocks=(1, 2), stem_channels=8),
    'ResNetEncoder': dict(blocks=(1, 1), stem_channels=8),
    'VGGEncoder': dict(blocks=(1, 2), stem_channels=8),
    'TorchvisionEncoder': dict(name='resnet18'),
    'HRRM': dict(encoder=TINY_ENCODER, decoder_growth=(8, 8, 8, 4)),
    'HRRM-grey': dict(encoder=TINY_ENCODER, decoder_growth=(8, 8, 8, 4), streak_channels=1),
    'HRRM-inverse': dict(encoder=TINY_ENCODER, decoder_growth=(8, 8, 8, 4), inverse=True),
    'HRRM-solved': dict(encoder=TINY_ENCODER, decoder_growth=(8, 8, 8, 4), inverse=True, correction=False),
    'RainMixture': dict(
        experts=[dict(type='HRRM', encoder=TINY_ENCODER, decoder_growth=(8, 8, 8, 4), inverse=True)] * 2, channels=8
    ),
    'FaceParsingUNet': dict(base_channels=4),
    'FCGGenerator': dict(trunk=TINY_TRUNK, channels=8),
    'SRGANDiscriminator': dict(base_channels=4),
    'SRResNetTrunk': dict(in_channels=3, channels=8, num_blocks=1),
    'EDSRTrunk': dict(in_channels=3, channels=8, num_blocks=1),
    'FCGGenerator-face_sr': dict(trunk=TINY_TRUNK, channels=8, parsing_at='input'),
    'FCGGenerator-residual': dict(trunk=TINY_TRUNK, channels=8, residual=True),
    'FCGGenerator-subpixel_head': dict(trunk=TINY_TRUNK, subpixel_head=True),
    'FCGGenerator-attention': dict(trunk=TINY_TRUNK, channels=8, attention=True),
    'NetworkTrunk-rrdb': dict(in_channels=3, **TINY_RRDB),
    'NetworkTrunk-swinir': dict(in_channels=3, **TINY_SWINIR),
    'UNet': dict(base_channels=4),
    'ImageToImageGenerator': dict(network=dict(type='UNet', base_channels=4), multiple=8),
    'StreakNet': dict(in_channels=3, channels=8, num_blocks=1),
    'AirlightNet': dict(in_channels=3, base_channels=4),
    'HeavyRainEstimator': dict(
        decomposition=dict(type='GuidedFilterDecomposition', radii=(2, 4), eps=(1e-3,)),
        streak=dict(type='StreakNet', channels=8, num_blocks=1),
        transmission=dict(type='UNet', out_channels=1, base_channels=4),
        airlight=dict(type='AirlightNet', base_channels=4),
    ),
    'RefinementUNet': dict(base_channels=4, levels=3),
    'DepthGuidedDiscriminator': dict(in_channels=3, base_channels=4),
    'EncoderDecoder': dict(base_channels=4, latent_channels=8),
    'EncoderDecoder-skips': dict(base_channels=4, latent_channels=8, skips=True),
    'EncoderDecoder-residual': dict(base_channels=4, latent_channels=8, residual=True),
    'RaindropUNet': dict(base_channels=4, levels=3),
    'HiFaceNet': dict(base_channels=4, levels=3, hidden=4),
    'MultiScalePatchDiscriminator': dict(base_channels=4),
}
CHANNELS = {
    'FaceParsingUNet': (6,),
    'FCGGenerator': (3, 3, 19),
    'FCGGenerator-face_sr': (3, 3, 19),
    'FCGGenerator-residual': (3, 3, 19),
    'FCGGenerator-subpixel_head': (3, 3, 19),
    'FCGGenerator-attention': (3, 3, 19),
    'RefinementUNet': (3, 3),
}
# Inputs that are one vector for each image: network -> their positions.
VECTORS = {'RefinementUNet': (1,)}
VARIANTS = {
    name: [case for case in ARGUMENTS if case.partition('-')[0] == name] or [name] for name in NETWORKS
}  # fmt: skip
CASES = [case for cases in VARIANTS.values() for case in cases]
TRUNKS = [case for case in CASES if 'Trunk' in case]


def build(name: str, **changes: object) -> nn.Module:
    if 'mmagic.' in str(ARGUMENTS.get(name)):
        pytest.importorskip('mmagic')
    torch.manual_seed(0)
    return MODELS.build(dict(type=name.partition('-')[0], **{**ARGUMENTS.get(name, {}), **changes}))


def inputs(name: str, height: int = 32, width: int = 32, count: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    sides = [(1, 1) if place in VECTORS.get(name, ()) else (height, width) for place in range(3)]
    channels = CHANNELS.get(name, (3,))
    return [torch.rand(count, c, *side, generator=generator) for c, side in zip(channels, sides, strict=False)]


def tensors(output: object) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    return [tensor for part in output for tensor in tensors(part)]


@pytest.mark.parametrize('name', CASES)
def test_forward_is_finite_and_every_parameter_learns(name: str) -> None:
    network = build(name).train()
    given = [image.requires_grad_() for image in inputs(name)]
    outputs = tensors(network(*given))
    assert all(torch.isfinite(output).all() for output in outputs)
    weights = [torch.randn(output.shape, generator=torch.Generator().manual_seed(2)) for output in outputs]
    sum((output * weight).sum() for output, weight in zip(outputs, weights, strict=True)).backward()
    assert all(image.grad.abs().sum() > 0 for image in given)
    without = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # a bias before batch norm would be such a parameter
    assert not without


@pytest.mark.parametrize('name', CASES)
def test_evaluation_treats_each_image_separately(name: str) -> None:
    network = build(name).eval()
    batch = inputs(name, count=3)
    with torch.no_grad():
        together = tensors(network(*batch))
        alone = tensors(network(*(x[1:2] for x in batch)))
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1:2], b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('name', CASES)
def test_network_runs_in_bfloat16(name: str) -> None:
    network = build(name).eval()
    with torch.no_grad():
        exact = tensors(network(*inputs(name)))
        with torch.autocast('cpu', torch.bfloat16):
            rough = tensors(network(*inputs(name)))
    for a, b in zip(exact, rough, strict=True):
        assert (a - b.float()).abs().mean() < 0.05 * a.abs().mean() + 0.02


@pytest.mark.parametrize('name', NETWORKS)
def test_network_is_documented(name: str) -> None:
    assert inspect.getdoc(NETWORKS[name])
    assert inspect.getdoc(NETWORKS[name].forward)


@pytest.mark.parametrize('encoder', ['DenseNetEncoder', 'ResNetEncoder', 'VGGEncoder'])
@pytest.mark.parametrize('stem_stride', [1, 4])
def test_encoder_slot_accepts_every_encoder(encoder: str, stem_stride: int) -> None:
    network = MODELS.build(dict(type=encoder, stem_stride=stem_stride, **ARGUMENTS[encoder]))
    features = network(torch.rand(1, 3, 32, 64))
    for feature, channels, stride in zip(features, network.out_channels, network.strides, strict=True):
        assert feature.shape == (1, channels, 32 // stride, 64 // stride)
    hrrm = HRRM(dict(type=encoder, stem_stride=stem_stride, **ARGUMENTS[encoder]), decoder_growth=(8, 8, 8, 4, 4))
    estimate = hrrm(torch.rand(2, 3, 32, 32))
    assert estimate.lr.shape == estimate.streak.shape == (2, 3, 32, 32)


def test_encoder_refuses_another_stem() -> None:
    with pytest.raises(ValueError, match='stem_stride must be 1 or 4, got 2'):
        MODELS.build(dict(type='DenseNetEncoder', stem_stride=2))


def test_densenet_121_has_its_published_size() -> None:
    """torchvision's DenseNet-121 has 4,797,632 parameters up to and including transition 3."""
    # conv 7x7x3x64 + BN 128; each layer i: BN(c) 2c, 1x1 c*128, BN 256, 3x3 128*32*9; transition BN 2c + c*c/2
    expected, width = 7 * 7 * 3 * 64 + 128, 64
    for depth in (6, 12, 24):
        for _ in range(depth):
            expected += 2 * width + width * 128 + 256 + 128 * 32 * 9
            width += 32
        expected += 2 * width + width * width // 2
        width //= 2
    sizes = dict(growth=32, blocks=(6, 12, 24), stem_channels=64, stem_stride=4)
    network = MODELS.build(dict(type='DenseNetEncoder', **sizes))
    assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize('side', [(32, 32), (17, 45), (8, 8), (1, 1)])
def test_networks_accept_any_image_size(side: tuple[int, int]) -> None:
    hrrm, fpm, generator = (build(name).eval() for name in ('HRRM', 'FaceParsingUNet', 'FCGGenerator'))
    image = torch.rand(1, 3, *side)
    estimate: RainEstimate = hrrm(image)
    assert estimate.lr.shape == estimate.streak.shape == image.shape
    assert estimate.transmission.shape == (1, 1, *side)
    assert estimate.airlight.shape == (1, 3, 1, 1)
    parsing = fpm(torch.cat((image, estimate.lr), 1))
    assert parsing.shape == (1, 19, *side)
    assert generator(image, estimate.lr, parsing).shape == (1, 3, 4 * side[0], 4 * side[1])


@pytest.mark.parametrize('side', [(32, 32), (17, 45), (8, 8), (1, 1)])
@pytest.mark.parametrize('name', TRUNKS)
def test_trunk_accepts_any_image_size(name: str, side: tuple[int, int]) -> None:
    trunk = build(name, in_channels=5).eval()
    with torch.no_grad():
        assert trunk(torch.rand(2, 5, *side)).shape == (2, trunk.out_channels, *side)


def trunk_and_network(name: str) -> tuple[nn.Module, nn.Module]:
    """A trunk, and the complete network of the trunk with the same weights."""
    trunk = build(name, in_channels=6)
    config = ARGUMENTS[name]
    network = MODELS.build({**config['network'], config.get('in_option', 'in_channels'): 6})
    missing, unexpected = network.load_state_dict(trunk.network.state_dict(), strict=False)
    assert not unexpected
    assert {key.partition('.')[0] for key in missing} == set(config['tail'])
    return trunk.eval(), network.eval()


@pytest.mark.parametrize('side', [(16, 16), (11, 13)])
@pytest.mark.parametrize('name', ['NetworkTrunk-rrdb', 'NetworkTrunk-swinir'])
def test_network_trunk_output_equals_the_input_of_the_tail(name: str, side: tuple[int, int]) -> None:
    trunk, network = trunk_and_network(name)
    tail = ARGUMENTS[name]['tail'][0]
    seen: list[Tensor] = []
    getattr(network, tail).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    image = torch.rand(2, 6, *side)
    with torch.no_grad():
        features = trunk(image)
        network(image)
    if name.endswith('rrdb'):
        seen[0] = seen[0][..., ::2, ::2]  # enlarged by repetition before the first layer of the tail
    torch.testing.assert_close(features, seen[0][..., : side[0], : side[1]])


@pytest.mark.parametrize('name', ['NetworkTrunk-rrdb', 'NetworkTrunk-swinir'])
def test_network_trunk_has_no_tail(name: str) -> None:
    trunk, network = trunk_and_network(name)
    whole = dict(network.named_parameters())
    tail = {key for key in whole if key.partition('.')[0] in ARGUMENTS[name]['tail']}
    assert tail
    assert {f'network.{key}' for key in whole.keys() - tail} == set(dict(trunk.named_parameters()))


def test_edsr_trunk_equals_that_of_mmagic() -> None:
    network = dict(type='mmagic.EDSRNet', out_channels=3, mid_channels=8, num_blocks=2, res_scale=0.1)
    theirs = NetworkTrunk(in_channels=6, network=network, tail=['upsample', 'conv_last'])
    ours = EDSRTrunk(in_channels=6, channels=8, num_blocks=2)
    # both have the order stem, blocks, last layer
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    image = torch.rand(2, 6, 11, 13)
    torch.testing.assert_close(ours(image), theirs(image))


def test_network_trunk_loads_the_checkpoint_of_its_network(tmp_path: Path) -> None:
    _, network = trunk_and_network('NetworkTrunk-rrdb')
    torch.save({'state_dict': {f'net.{key}': value for key, value in network.state_dict().items()}}, tmp_path / 'a.pth')
    pretrained = dict(type='Pretrained', checkpoint=str(tmp_path / 'a.pth'), prefix='net')
    options = dict(TINY_RRDB, network=dict(TINY_RRDB['network'], init_cfg=pretrained))
    trunk = NetworkTrunk(in_channels=6, **options)
    for key, value in trunk.network.state_dict().items():
        assert torch.equal(value, network.state_dict()[key])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(after='conv_end'), r"mmagic\.RRDBNet has no 'conv_end'; its modules are conv_first, body, conv_body"),
        (dict(tail=['conv_up9']), "has no 'conv_up9'"),
        (dict(network=dict(TINY_RRDB['network'], upscale_factor=2)), 'has 24 input channels instead of 6'),
    ],
)
def test_network_trunk_names_unsuitable_options(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build('NetworkTrunk-rrdb', in_channels=6, **changes)


def test_network_trunk_checks_the_name_of_the_channels_option() -> None:
    with pytest.raises(ConfigError, match=r"SwinIRNet has no option 'in_channels' \(did you mean 'in_chans'\?\)"):
        build('NetworkTrunk-swinir', in_channels=6, in_option='in_channels')


def test_network_trunk_without_mmagic_names_the_installer(monkeypatch: pytest.MonkeyPatch) -> None:
    optional_import.cache_clear()
    monkeypatch.setitem(sys.modules, 'mmagic.models', None)
    with pytest.raises(MissingPackageError, match=r'mmagic\.RRDBNet needs mmagic.*python tools/install\.py'):
        NetworkTrunk(in_channels=6, **TINY_RRDB)


@pytest.mark.parametrize('name', [*VARIANTS['HRRM'], *VARIANTS['RainMixture']])
def test_ranges_hold_for_any_weights(name: str) -> None:
    hrrm = build(name).eval()
    torch.manual_seed(3)
    for parameter in hrrm.parameters():
        nn.init.normal_(parameter, std=3)
    image = torch.rand(2, 3, 32, 32)
    estimate = hrrm(image)
    for values in estimate:
        assert values.min() >= 0
        assert values.max() <= 1
    parsing = build('FaceParsingUNet')(torch.cat((image, estimate.lr), 1))
    torch.testing.assert_close(parsing.sum(1), torch.ones(2, 32, 32))


def test_grey_streaks_are_equal_in_all_channels() -> None:
    image = torch.rand(1, 3, 32, 32)
    grey, colour = (build(name).eval()(image).streak for name in ('HRRM-grey', 'HRRM'))
    assert grey.shape == colour.shape == image.shape
    assert torch.equal(grey[:, :1].expand(-1, 3, -1, -1), grey)
    assert not torch.equal(colour[:, :1].expand(-1, 3, -1, -1), colour)
    with pytest.raises(ValueError, match='streak_channels must be 1 or 3, got 2'):
        HRRM(TINY_ENCODER, streak_channels=2)


def test_hrrm_corrects_the_solved_rain_model() -> None:
    """J is the solution of the rain model with S, T and A, plus the output of the decoder, which is near 0 at first."""
    hrrm = build('HRRM-inverse').eval()
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        lr, streak, transmission, airlight = (value.double() for value in hrrm(image))
        solved = ((image.double() - (1 - transmission) * airlight) / transmission - streak).clamp(0, 1)
        assert transmission.min() > 0.1
        assert 0 < (lr - solved).abs().max() < 0.05
        hrrm.lr_decoder.head.weight.zero_()
        for shift in ([0, 0, 0], [0.2, 0, -0.3]):
            hrrm.lr_decoder.head.bias.copy_(torch.tensor(shift))
            expected = (solved + torch.tensor(shift).double().view(3, 1, 1)).clamp(0, 1)
            torch.testing.assert_close(hrrm(image).lr.double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize('name', VARIANTS['HRRM'])
@pytest.mark.parametrize('side', [32, 13])
def test_rain_of_hrrm_is_that_of_its_forward_without_j(name: str, side: int) -> None:
    hrrm = build(name).eval()
    image = torch.rand(2, 3, side, side)
    with torch.no_grad():
        expected = hrrm(image)[1:]
        hrrm.lr_decoder = None  # `rain` does not need it
        for value, same in zip(hrrm.rain(image), expected, strict=True):
            assert torch.equal(value, same)


def test_hrrm_without_correction_is_the_solved_rain_model() -> None:
    hrrm = build('HRRM-solved').eval()
    image = torch.rand(2, 3, 32, 32)
    lr, streak, transmission, airlight = (value.double() for value in hrrm(image))
    solved = (image.double() - (1 - transmission) * airlight) / transmission.clamp(min=0.1) - streak
    torch.testing.assert_close(lr, solved.clamp(0, 1), atol=1e-6, rtol=0)
    assert not any('lr_decoder' in key for key in hrrm.state_dict())
    with pytest.raises(ValueError, match='correction=False needs inverse=True'):
        build('HRRM-solved', inverse=False)


@pytest.mark.parametrize(('name', 'reached'), [('HRRM', False), ('HRRM-inverse', True)])
def test_gradient_of_j_reaches_s_t_and_a_through_the_rain_model(name: str, reached: bool) -> None:
    hrrm = build(name)
    (hrrm(torch.rand(2, 3, 32, 32)).lr - 0.5).square().mean().backward()
    for decoder in (hrrm.streak_decoder, hrrm.transmission_decoder, hrrm.airlight_decoder):
        assert (decoder.head.weight.grad is not None) == reached


def test_transmission_cannot_contain_streaks() -> None:
    """T is decoded coarsely, so it changes little within a 4x4 window for any weights."""
    torch.manual_seed(4)
    hrrm = build('HRRM').eval()
    nn.init.normal_(hrrm.transmission_decoder.head.weight, std=5)
    logit = hrrm(torch.rand(1, 3, 32, 32)).transmission.logit()
    fine = (logit[..., 1:] - logit[..., :-1]).abs().max()
    coarse = logit.max() - logit.min()
    assert fine < coarse / 2


def test_mixture_is_the_weighted_mean_of_its_experts() -> None:
    """Logits of the gate for each image -> one expert, or a mean with the weights of the softmax."""
    mixture = build('RainMixture').eval()
    image = inputs('RainMixture', count=3)[0]
    with torch.no_grad():
        experts = [expert(image) for expert in mixture.experts]
        assert not torch.equal(experts[0].lr, experts[1].lr)
        logits = torch.tensor([[50, 0], [0, 50], [0, np.log(3)]])
        with mixture.gate.register_forward_hook(lambda *_: logits):
            mixed = mixture(image)
    for result, first, second in zip(mixed, *experts, strict=True):
        for index, share in enumerate((1, 0, 0.25)):
            expected = share * first[index].double() + (1 - share) * second[index].double()
            torch.testing.assert_close(result[index].double(), expected, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match='experts must be at least two rain removal modules, got 1'):
        build('RainMixture', experts=ARGUMENTS['RainMixture']['experts'][:1])


@pytest.mark.parametrize('name', VARIANTS['FCGGenerator'])
def test_generator_uses_each_of_its_inputs(name: str) -> None:
    generator = build(name).eval()
    rainy, derained, parsing = inputs('FCGGenerator')
    face = generator(rainy, derained, parsing)
    assert face.min() >= 0
    assert face.max() <= 1
    for changed in ((rainy + 1, derained, parsing), (rainy, derained + 1, parsing), (rainy, derained, parsing + 1)):
        assert not torch.allclose(generator(*changed), face)


def test_parsing_is_input_before_the_first_pixel_shuffle() -> None:
    plain = FCGGenerator(TINY_TRUNK, channels=8, parsing_channels=0)
    guided = FCGGenerator(TINY_TRUNK, channels=8, parsing_channels=19)
    assert guided.upsampler[0].in_channels - plain.upsampler[0].in_channels == 19
    assert guided.trunk.stem[0].in_channels == plain.trunk.stem[0].in_channels == 6
    assert FCGGenerator(TINY_TRUNK, derained=False).trunk.stem[0].in_channels == 3


def test_parsing_is_input_at_the_first_layer_in_face_sr() -> None:
    generator = FCGGenerator(TINY_TRUNK, channels=8, derained=False, parsing_at='input')
    assert generator.trunk.stem[0].in_channels == 3 + 19
    assert generator.upsampler[0].in_channels == generator.trunk.out_channels
    with pytest.raises(ValueError, match="parsing_at must be 'features' or 'input', got 'end'"):
        FCGGenerator(TINY_TRUNK, parsing_at='end')


@pytest.mark.parametrize('derained', [True, False])
def test_residual_generator_adds_to_the_enlarged_face(derained: bool) -> None:
    """Without its last convolution, the generator enlarges like Pillow; a new generator is near that."""
    generator = build('FCGGenerator-residual', derained=derained)
    rainy, clean, parsing = inputs('FCGGenerator', count=1)
    smooth = [F.avg_pool2d(image, 7, 1, 3) for image in (rainy, clean)]
    source = smooth[1 if derained else 0]
    pillow = Image.fromarray((source[0].permute(1, 2, 0) * 255).round().byte().numpy()).resize(
        (128, 128), Image.Resampling.BICUBIC
    )
    wanted = torch.from_numpy(np.asarray(pillow, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    given = (smooth[0], smooth[1] if derained else None, parsing)
    assert (generator.eval()(*given) - wanted).abs().mean() < 0.1
    nn.init.zeros_(generator.tail.weight)
    nn.init.zeros_(generator.tail.bias)
    # torch's bicubic kernel has a = -0.75, Pillow's a = -0.5
    assert (generator(*given) - wanted).abs().max() < 0.02


def test_subpixel_head_computes_each_block_from_one_position() -> None:
    """The last convolution copies feature 4 y + x to pixel (y, x) of a block, in all three colours."""
    generator = FCGGenerator(TINY_TRUNK, derained=False, parsing_channels=16, subpixel_head=True).eval()
    last = generator.tail[0]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    for colour in range(3):
        for place in range(16):
            last.weight.data[16 * colour + place, generator.trunk.out_channels + place, 1, 1] = 1
    rainy, parsing = torch.rand(1, 3, 8, 8), torch.rand(1, 16, 8, 8)
    face = generator(rainy, None, parsing)
    for y in range(4):
        for x in range(4):
            wanted = (parsing[:, 4 * y + x].tanh() + 1) / 2
            assert all(torch.allclose(face[:, colour, y::4, x::4], wanted) for colour in range(3))


def test_attention_of_a_new_generator_is_neutral_and_trainable() -> None:
    fresh = build('FCGGenerator-attention').eval()
    plain = build('FCGGenerator').eval()
    plain.load_state_dict(fresh.state_dict(), strict=False)
    given = inputs('FCGGenerator')
    assert torch.equal(fresh(*given), plain(*given))
    fresh(*given).mean().backward()
    assert fresh.gates.weight.grad.abs().min() > 0
    # a closed gate removes its feature completely
    nn.init.constant_(fresh.gates.bias, -1e3)
    other = build('FCGGenerator-attention').eval()
    other.load_state_dict(fresh.state_dict())
    other.trunk.stem[0].weight.data.mul_(3)
    assert torch.equal(fresh(*given), other(*given))
    with pytest.raises(ValueError, match='attention needs a face parser'):
        FCGGenerator(TINY_TRUNK, parsing_channels=0, attention=True)


@pytest.mark.parametrize('scale', [0, 1, 3, 6])
def test_generator_refuses_other_scales(scale: int) -> None:
    with pytest.raises(ValueError, match='power of 2'):
        FCGGenerator(TINY_TRUNK, scale=scale)


@pytest.mark.parametrize('scale', [2, 8])
def test_generator_accepts_other_powers_of_two(scale: int) -> None:
    generator = FCGGenerator(TINY_TRUNK, scale=scale, channels=8, derained=False, parsing_channels=0)
    assert generator(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8 * scale, 8 * scale)


def test_discriminator_accepts_crops_and_computes_in_single_precision() -> None:
    network = SRGANDiscriminator(base_channels=4)
    for side in ((128, 128), (32, 54), (16, 16)):
        assert network(torch.rand(2, 3, *side)).shape == (2,)
    with torch.autocast('cpu', torch.bfloat16):
        assert network(torch.rand(2, 3, 32, 32)).dtype == torch.float32


def test_discriminator_has_the_published_size() -> None:
    """SRGAN's discriminator with base 64 and a 512-1024-1 head, counted by hand."""
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    expected = 3 * 64 * 9 + 64 + sum(a * b * 9 + 2 * b for a, b in pairwise(widths))
    expected += 512 * 1024 + 1024 + 1024 + 1
    assert sum(p.numel() for p in SRGANDiscriminator().parameters()) == expected


def test_parsing_network_can_predict_a_palette() -> None:
    network = FaceParsingUNet(out_channels=3, base_channels=4, activation='sigmoid')
    assert network(torch.rand(1, 6, 16, 16)).shape == (1, 3, 16, 16)
    with pytest.raises(ValueError, match="'softmax' or 'sigmoid'"):
        FaceParsingUNet(activation='relu')


@pytest.mark.parametrize('given', [(None, True), (True, None), (None, None)])
def test_generator_refuses_a_missing_input(given: tuple) -> None:
    rainy, derained, parsing = inputs('FCGGenerator')
    with pytest.raises(ValueError, match='the inputs must match'):
        build('FCGGenerator')(rainy, given[0] and derained, given[1] and parsing)

"""The audit of models whose parts have a known contribution."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.model import BaseModel
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from rainrestore.audit import audit, cheap_audit, format_audit
from rainrestore.audit.ablation import Gain, SlotAudit
from rainrestore.audit.faces import TestFaces
from rainrestore.audit.layers import _bias_alone, audit_layers, fresh_model
from rainrestore.audit.maps import correlation
from rainrestore.audit.plot import _draw_gains
from rainrestore.audit.slots import find_slots, first_layer, recorded, replaced
from rainrestore.checkpoints import save_safetensors
from rainrestore.cli.main import main
from rainrestore.engine.config import load_config
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.models.restorers import FCGGAN
from rainrestore.registry import DATASETS, MODELS

pytest.importorskip('mmagic')
ROOT = Path(__file__).resolve().parents[1]
PIPELINE = [
    dict(type='ScaleAwareHeavyRain', seed=2022), dict(type='ParsingTarget'), dict(type='PackFaceInputs')
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_lpips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behave as if the weights of LPIPS cannot be downloaded."""
    monkeypatch.setenv('RAINRESTORE_LPIPS_BACKBONE', 'missing.pth')


@MODELS.register_module(force=True)
class Same(nn.Module):
    """Returns its input, times a weight of 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Conv2d(1, 1, 1)
        nn.init.ones_(self.scale.weight)

    def forward(self, image: Tensor) -> Tensor:
        return image * self.scale.weight


@MODELS.register_module(force=True)
class Reader(nn.Module):
    """A named mapping of two maps, one of which is the same for all faces."""

    def forward(self, image: Tensor) -> dict[str, Any]:
        return {'mean': image.mean(1, keepdim=True), 'fixed': [torch.full_like(image, 0.3)]}


@MODELS.register_module(force=True)
class Painter(nn.Module):
    """Enlarges its input by repetition and ignores the parsed face."""

    def __init__(self) -> None:
        super().__init__()
        first, second = (nn.Conv2d(3, 3, 1, bias=False) for _ in range(2))
        self.trunk = nn.Sequential(first, nn.ReLU(inplace=True), second)
        for layer in (first, second):
            layer.weight.data.copy_(torch.eye(3)[..., None, None])

    def forward(self, image: Tensor, read: Any) -> Tensor:
        return self.trunk(image).repeat_interleave(4, 2).repeat_interleave(4, 3)


@MODELS.register_module(force=True)
class OwnRestorer(BaseModel):
    """A restorer of another package: its slots have other names, and it has no base class of this package."""

    def __init__(self) -> None:
        super().__init__(MODELS.build(dict(type='RestorationPreprocessor')))
        self.cleaner = Same()
        self.experts = nn.ModuleDict({'one': Reader(), 'unused': Same()})
        self.painter = Painter()

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        clean = self.cleaner(inputs)
        return FCGGAN.pack({'pred_img': self.painter(clean, self.experts['one'](inputs))}, data_samples, len(inputs))


@MODELS.register_module(force=True)
class MapsOfNothing(BaseModel):
    """Predicts the same parsing and the same rain for every face."""

    def __init__(self) -> None:
        super().__init__(MODELS.build(dict(type='RestorationPreprocessor')))
        self.parser = Same()

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        scores = torch.zeros(len(inputs), 19, *inputs.shape[-2:])
        scores[:, 1] = 1
        # Uses the input, so that the slot is called.
        outputs = {'parsing': scores + 0 * self.parser(inputs)[:, :1], 'streak': inputs, 'transmission': scores[:, :1]}
        outputs['lr_img'] = inputs
        return FCGGAN.pack(outputs, data_samples, len(inputs))


def experiment(model: dict[str, Any], faces: Path) -> Config:
    return Config(
        dict(
            model=model,
            test_dataloader=dict(
                dataset=dict(type='FaceDataset', data_root=str(faces), split='test', pipeline=PIPELINE)
            ),
        )
    )


def weights_of(model: nn.Module, folder: Path) -> Path:
    return save_safetensors(model.state_dict(), folder / 'weights.safetensors')


@pytest.fixture
def own(face_folder: Path, tmp_path: Path) -> tuple[Config, Path]:
    return experiment(dict(type='OwnRestorer'), face_folder), weights_of(OwnRestorer(), tmp_path)


def images(faces: Path, kind: str, split: str) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted((faces / split / kind).iterdir())]


def inputs_of(config: Config) -> list[np.ndarray]:

    dataset = DATASETS.build(config.test_dataloader.dataset)
    return [dataset[index]['inputs'].numpy().astype(np.float64) for index in range(len(dataset))]


def psnr(pred: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((pred - truth) ** 2)))


def test_gains_of_slots_with_other_names_equal_numpy(own: tuple[Config, Path], face_folder: Path) -> None:
    found = audit(*own)
    slots = {slot.slot: slot for slot in found.slots}
    assert list(slots) == ['cleaner', 'experts.one', 'painter', 'painter.trunk']
    rainy, truths = inputs_of(own[0]), [face.transpose(2, 0, 1) for face in images(face_folder, 'img', 'test')]

    def score(small: list[np.ndarray]) -> np.ndarray:
        large = [face.repeat(4, 1).repeat(4, 2) for face in small]
        return np.array([psnr(*pair) for pair in zip(large, truths, strict=True)])

    assert found.scores['PSNR'] == pytest.approx(score(rainy).mean(), abs=1e-3)
    mean = score(rainy) - score([np.mean(rainy, 0)] * len(rainy))
    other = score(rainy) - score([*rainy[1:], rainy[0]])
    for name in ('cleaner', 'painter.trunk', 'painter'):
        assert slots[name].gains['mean']['PSNR'].mean == pytest.approx(mean.mean(), abs=1e-3)
        assert slots[name].gains['other face']['PSNR'].mean == pytest.approx(other.mean(), abs=1e-3)
        gain = slots[name].gains['mean']['PSNR']
        assert mean.min() - 1e-3 <= gain.low <= gain.mean <= gain.high <= mean.max() + 1e-3


def test_ignored_slot_has_no_gain(own: tuple[Config, Path]) -> None:
    found = audit(*own)
    ignored = next(slot for slot in found.slots if slot.slot == 'experts.one')
    assert all(gain == Gain(0, 0, 0) for gains in ignored.gains.values() for gain in gains.values())
    assert ignored.finding.startswith('no gain')
    assert ignored.constant == ['fixed.0']
    assert 'experts.one: no gain' in format_audit(found)
    assert 'the same for all faces: fixed.0' in format_audit(found)


def test_trunk_equal_to_its_first_layer_has_no_gain(own: tuple[Config, Path]) -> None:
    trunk = next(slot for slot in audit(*own).slots if slot.slot == 'painter.trunk')
    assert list(trunk.gains) == ['mean', 'other face', 'first layer']
    assert trunk.gains['first layer']['PSNR'].mean == pytest.approx(0, abs=1e-6)
    assert trunk.finding == 'no gain: 0.00 dB (0.00 to 0.00) over the output of its first layer'


def test_missing_lpips_is_reported(own: tuple[Config, Path]) -> None:
    found = audit(*own)
    assert list(found.scores) == ['PSNR', 'SSIM']
    assert 'LPIPS is not measured' in format_audit(found)


def test_cheap_audit_measures_no_gains(own: tuple[Config, Path]) -> None:
    found = cheap_audit(*own)
    assert all(not slot.gains for slot in found.slots)
    assert [slot.constant for slot in found.slots if slot.constant] == [['fixed.0']]


def joint_config(faces: Path) -> Config:
    trunk = dict(type='SRResNetTrunk', channels=8, num_blocks=1)
    generator = dict(type='FCGGenerator', trunk=trunk, channels=8)
    return experiment(dict(type='FCGGAN', generator=generator, pixel_loss=dict(type='MSELoss')), faces)


def test_trunk_with_zero_weights_is_dead_and_has_no_gain(face_folder: Path, tmp_path: Path) -> None:
    config = joint_config(face_folder)
    model: Any = MODELS.build(config.model)
    blocks = [name for name, part in model.generator.trunk.blocks.named_modules() if isinstance(part, nn.Conv2d)]
    with torch.no_grad():
        for name in blocks:
            model.generator.trunk.blocks.get_submodule(name).weight.zero_()
    found = audit(config, weights_of(model, tmp_path))
    assert found.layers.small == {f'generator.trunk.blocks.{name}': 0.0 for name in blocks}
    assert set(found.layers.dead) == found.layers.small.keys()
    assert found.layers.small_of_slot == {'generator': (len(blocks), len(blocks) + 4)}
    trunk = next(slot for slot in found.slots if slot.slot == 'generator.trunk')
    # x + 0 is x, the output of the stem.
    assert trunk.gains['first layer']['PSNR'].mean == pytest.approx(0, abs=1e-6)
    assert 'no gain' in trunk.finding
    text = format_audit(found)
    assert (
        f'generator: {len(blocks)} of {len(blocks) + 4} small' in text
        and f'{len(blocks)} of them have no effect' in text
    )


@pytest.mark.parametrize(('factor', 'small'), [(0.0099, True), (0.0101, False)])
def test_small_layer_is_below_a_hundredth_of_its_initial_size(
    face_folder: Path, tmp_path: Path, factor: float, small: bool
) -> None:
    config = joint_config(face_folder)
    model: Any = fresh_model(config.model)
    with torch.no_grad():
        model.generator.tail.weight.mul_(factor)
    found = cheap_audit(config, weights_of(model, tmp_path)).layers
    assert list(found.small) == (['generator.tail'] if small else [])
    if small:
        assert found.small['generator.tail'] == pytest.approx(factor, rel=1e-4)


def test_small_layer_before_a_batch_norm_is_alive(face_folder: Path, tmp_path: Path) -> None:
    """A batch norm with a small variance restores the scale. The audit does not change the weights."""
    config = joint_config(face_folder)
    model: Any = fresh_model(config.model)
    block = model.generator.trunk.blocks[0]
    (name, convolution), *_ = ((name, part) for name, part in block.named_modules() if isinstance(part, nn.Conv2d))
    norm = next(part for part in block.modules() if isinstance(part, nn.BatchNorm2d))
    with torch.no_grad():
        convolution.weight.mul_(1e-3)
        norm.running_var.mul_(1e-6)
        norm.eps = 0.0
    batch = next(TestFaces(DATASETS.build(config.test_dataloader.dataset)).batches())
    found = audit_layers(model.eval(), config.model, batch)
    assert list(found.small) == [f'generator.trunk.blocks.0.{name}'] and found.dead == ()
    before = convolution.weight.clone()
    audit_layers(model, config.model, batch)
    assert torch.equal(convolution.weight, before)


def test_small_layer_with_a_spectral_norm_is_dead(face_folder: Path) -> None:
    """The norm divides by the size of the weight, so a weight of zero would give NaN."""
    config = joint_config(face_folder)
    model: Any = fresh_model(config.model)
    first = model.generator.trunk.blocks[0].body[0]
    spectral_norm(first[0])
    with torch.no_grad():
        first[0].parametrizations.weight.original.mul_(1e-3)
        # The following batch norm removes its output.
        first[1].weight.zero_()
    batch = next(TestFaces(DATASETS.build(config.test_dataloader.dataset)).batches())
    found = audit_layers(model.eval(), config.model, batch)
    assert tuple(found.small) == found.dead == ('generator.trunk.blocks.0.body.0.0',)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize(
    ('layer', 'shape'),
    [
        (nn.Linear, (2, 5, 3)),
        (partial(nn.Conv1d, kernel_size=1), (2, 3, 5)),
        (partial(nn.Conv2d, kernel_size=3), (2, 3, 5, 5)),
        (partial(nn.ConvTranspose2d, kernel_size=2, stride=2), (2, 3, 5, 5)),
    ],
)
def test_layer_with_zero_weights_outputs_its_bias(layer: Any, shape: tuple[int, ...], bias: bool) -> None:
    part = layer(3, 4, bias=bias)
    x = torch.rand(shape)
    with part.register_forward_hook(_bias_alone):
        found = part(x)
    nn.init.zeros_(part.weight)
    assert torch.equal(found, part(x))


def test_small_layer_read_without_a_call_is_alive(face_folder: Path) -> None:
    config = experiment(dict(type='OwnRestorer'), face_folder)
    model: Any = OwnRestorer()
    with torch.no_grad():
        model.cleaner.scale.weight.mul_(1e-3)
    batch = next(TestFaces(DATASETS.build(config.test_dataloader.dataset)).batches())
    found = audit_layers(model.eval(), config.model, batch)
    assert list(found.small) == ['cleaner.scale'] and found.dead == ()


def shares(mask: np.ndarray) -> np.ndarray:
    """Area average of the one-hot map, 19 x 32 x 32."""
    return np.eye(19)[mask].reshape(32, 4, 32, 4, 19).mean((1, 3)).transpose(2, 0, 1)


def pooled_iou(predictions: list[np.ndarray], truths: list[np.ndarray], label: int) -> float:
    both = sum(((p == label) & (t == label)).sum() for p, t in zip(predictions, truths, strict=True))
    either = sum(((p == label) | (t == label)).sum() for p, t in zip(predictions, truths, strict=True))
    return both / either


def test_parsing_is_compared_with_the_mean_map_and_the_upper_bound(face_folder: Path, tmp_path: Path) -> None:
    config = experiment(dict(type='MapsOfNothing'), face_folder)
    found = audit(config, weights_of(MapsOfNothing(), tmp_path))
    train, masks = images(face_folder, 'mask', 'train'), images(face_folder, 'mask', 'test')
    mean_map = np.mean([shares(mask) for mask in train], 0).argmax(0)
    truths = [shares(mask).argmax(0) for mask in masks]
    large = [truth.repeat(4, 0).repeat(4, 1) for truth in truths]
    parts = {part.component: part for part in found.maps.components}
    for label, name in ((0, 'background'), (1, 'skin'), (2, 'nose'), (4, 'l_eye'), (13, 'hair')):
        part = parts[name]
        skin = [np.ones_like(truth) for truth in truths]
        assert part.iou == pytest.approx(pooled_iou(skin, truths, label))
        assert part.mean_map == pytest.approx(pooled_iou([mean_map] * len(truths), truths, label))
        assert part.bound_full == pytest.approx(pooled_iou(large, masks, label))
        assert part.iou_full == pytest.approx(pooled_iou([np.ones_like(mask) for mask in masks], masks, label))
        assert not part.above_mean
    assert 'l_eye' in parts
    assert 'glasses' not in parts  # no mask has it, and the network never predicts it
    assert f'0 of {len(parts)} components are above the mean map' in format_audit(found)
    # A parsing network is evaluated by its parsing, although it also removes rain.
    assert list(found.scores) == ['IoU']
    own = [np.mean([pooled_iou([skin[0]], [truth], label) for label in {1, *np.unique(truth)}]) for truth in truths]
    assert found.scores['IoU'] == pytest.approx(np.mean(own))


def test_rain_maps_are_compared_with_training_means(face_folder: Path, tmp_path: Path) -> None:

    config = experiment(dict(type='MapsOfNothing'), face_folder)
    found = audit(config, weights_of(MapsOfNothing(), tmp_path)).maps
    splits = {split: DATASETS.build(dict(config.test_dataloader.dataset, split=split)) for split in ('train', 'test')}
    streaks = {
        split: np.stack([data[index]['data_samples'].streak.numpy() for index in range(len(data))]).astype(np.float64)
        for split, data in splits.items()
    }
    lines = {line.name: line for line in found.rain}
    assert list(lines) == ['streak', 'transmission']
    rainy = np.stack([splits['test'][index]['inputs'].numpy() / 255 for index in range(3)])
    assert lines['streak'].mae == pytest.approx(np.abs(rainy - streaks['test']).mean(), abs=1e-5)
    mean = streaks['train'].mean((0, 2, 3))[None, :, None, None]
    assert lines['streak'].mae_of_mean == pytest.approx(np.abs(mean - streaks['test']).mean(), abs=1e-6)
    expected = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(rainy, streaks['test'], strict=True)])
    assert found.correlations['S^,S'] == pytest.approx(expected, abs=1e-4)


def test_correlation_of_known_series_is_exact() -> None:
    x = torch.tensor([1.0, 2.0, 4.0])
    assert correlation(x, 3 - 2 * x) == pytest.approx(-1)
    assert np.isnan(correlation(x, torch.ones(3)))


def test_finding_names_the_closest_replacement_and_the_significant_metric() -> None:
    gains = {
        'mean': {'PSNR': Gain(0.5, 0.4, 0.6), 'LPIPS': Gain(0.2, 0.1, 0.3)},
        'other face': {'PSNR': Gain(0.0, -0.1, 0.1), 'LPIPS': Gain(0.02, 0.01, 0.03)},
    }
    slot = SlotAudit('parser', gains)
    expected = 'no gain in dB, but 0.0200 LPIPS (0.0100 to 0.0300) over its output for another face'
    assert slot.finding == expected
    del gains['other face']
    assert slot.finding == 'gain 0.50 dB (0.40 to 0.60) over its mean output'


def test_tiny_gain_counts_as_no_gain() -> None:
    slot = SlotAudit('parser', {'mean': {'PSNR': Gain(0.006, 0.004, 0.008)}})
    assert slot.finding.startswith('no gain')


def test_replacement_of_a_slot_is_undone() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    before = model(x)
    with replaced(model[0], [torch.ones(1, 2)]):
        assert torch.equal(model(x), torch.ones(2, 2))
    with recorded({'first': model[0]}) as calls:
        assert torch.equal(model(x), before)
    # The following in-place layer has not changed the recorded output.
    assert torch.equal(calls['first'][0], nn.functional.linear(x, model[0].weight, model[0].bias))
    assert torch.equal(model(x), before)
    assert not any(part._forward_hooks for part in model.modules())


def test_first_layer_is_found_in_a_wrapper_if_its_shape_fits() -> None:
    class Wrapper(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x)

    x = torch.zeros(2, 3)
    same = Wrapper(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4)))
    assert first_layer(same, lambda: same(x)) is same.body[0]
    other = Wrapper(nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 4)))
    assert first_layer(other, lambda: other(x)) is None


def test_discriminators_are_not_audited_as_slots(face_folder: Path) -> None:
    config = joint_config(face_folder)
    config.model.update(
        discriminator=dict(type='SRGANDiscriminator', base_channels=4),
        adversarial_loss=dict(type='LinearAdversarialLoss'),
    )
    model = MODELS.build(config.model).eval()
    slots = find_slots(model, lambda: model(torch.zeros(1, 3, 32, 32)))
    assert list(slots) == ['generator', 'generator.trunk']


@pytest.mark.parametrize('correction', [True, False])
def test_named_parts_of_a_slot_are_audited(correction: bool) -> None:
    """An empty part, such as the decoder of J without correction, is left out."""
    encoder = dict(type='DenseNetEncoder', growth=4, blocks=(1, 1, 1), stem_channels=8)
    removal = dict(type='HRRM', encoder=encoder, decoder_growth=(4, 4, 4, 4), inverse=True, correction=correction)
    model = MODELS.build(
        dict(type='RainRemover', rain_removal=removal, rain_loss=dict(type='RainReconstructionLoss'))
    ).eval()
    slots = find_slots(model, lambda: model(torch.zeros(1, 3, 32, 32)))
    parts = [*['lr_decoder'] * correction, 'streak_decoder', 'transmission_decoder', 'airlight_decoder']
    assert list(slots) == ['rain_removal', *(f'rain_removal.{part}' for part in parts)]
    assert slots['rain_removal.streak_decoder'] is model.rain_removal.streak_decoder


def test_audit_does_not_change_the_random_state(own: tuple[Config, Path]) -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    fresh_model(own[0].model)
    assert torch.equal(torch.rand(1), expected)


def test_errors_name_the_remedy(own: tuple[Config, Path], face_folder: Path) -> None:
    with pytest.raises(ConfigError, match='at least two'):
        audit(*own, faces=1)
    with pytest.raises(CheckpointError, match='pass its checkpoint'):
        audit(own[0], None)
    with pytest.raises(ConfigError, match='no test_dataloader'):
        audit(Config(dict(model=own[0].model)), own[1])


def test_command_prints_and_plots_the_audit(
    tmp_path: Path, face_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / 'mine.py'
    config.write_text(f"""
_base_ = {str(ROOT / 'configs' / 'srgan' / 'srgan_x4.py')!r}
model = dict(generator=dict(trunk=dict(channels=4, num_blocks=1), channels=4))
""")
    weights = weights_of(MODELS.build(load_config(config).model), tmp_path)
    plot = tmp_path / 'plot.png'
    words = ['--data', str(face_folder), '--faces', '2', '--plot', str(plot)]
    assert main(['audit', str(config), str(weights), *words]) == 0
    printed = capsys.readouterr().out
    summary = json.loads(printed.splitlines()[-1])
    assert summary['faces'] == 2
    assert summary['data'] == str(face_folder)
    assert [slot['slot'] for slot in summary['slots']] == ['generator', 'generator.trunk']
    assert all('gain' in slot['finding'] for slot in summary['slots'])
    assert summary['maps'] is None
    with Image.open(plot) as drawn:
        assert drawn.width > 400
    assert main(['audit', str(config), str(weights), '--data', str(tmp_path / 'nowhere')]) == 2
    capsys.readouterr()
    assert main(['audit', str(config), str(weights), *words[:-1], str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == '' and f'{tmp_path}: cannot be written (it is a folder)' in shown.err


def test_names_of_many_slots_do_not_overlap_in_the_plot() -> None:
    slots = ['rain_removal', *(f'rain_removal.{part}_decoder' for part in ('lr', 'streak', 'transmission', 'airlight'))]
    names = [*slots, 'face_parser', 'generator', 'generator.trunk']
    gains = {'mean': {'PSNR': Gain(1.0, 0.5, 1.5)}}
    figure = Figure(figsize=(7, 3), dpi=120)
    axes = figure.subplots()
    _draw_gains(axes, SimpleNamespace(scores={'PSNR': 20.0}, slots=[SlotAudit(name, gains, ()) for name in names]))
    figure.canvas.draw()
    labels = axes.get_xticklabels()
    angles = {label.get_rotation() for label in labels}
    places = axes.transData.transform([(place, 0) for place in range(len(names))])[:, 0]
    for label in labels:
        label.set_rotation(0)
    boxes = [label.get_window_extent() for label in labels]
    # Parallel lines of text at an angle: their distance is the distance of their positions times the sine.
    room = (places[1] - places[0]) * np.sin(np.radians(min(angles)))
    assert room > max(box.height for box in boxes) or places[1] - places[0] > max(box.width for box in boxes)


def gan_config(faces: Path, **changes: Any) -> Config:
    config = joint_config(faces)
    config.model.update(
        discriminator=dict(type='SRGANDiscriminator', base_channels=4),
        adversarial_loss=dict(type='LinearAdversarialLoss', loss_weight=1e-3),
        **changes,
    )
    return config


def test_discriminators_of_a_checkpoint_are_audited(face_folder: Path, tmp_path: Path) -> None:
    config = gan_config(face_folder)
    model: Any = MODELS.build(config.model)
    # A logit of 1 for every input: all true faces are recognised, no restored face.
    nn.init.zeros_(model.discriminator.head[2].weight)
    nn.init.ones_(model.discriminator.head[2].bias)
    path = tmp_path / 'all.pth'
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, path)
    found = audit(config, path)
    probability = 1 / (1 + np.exp(-1))
    assert found.discriminators.discriminators == {
        'global': pytest.approx(
            dict(
                accuracy=0.5, slope=probability * (1 - probability), prob_real=probability, prob_fake=probability
            ),
            rel=1e-5,
        )
    }  # fmt: skip
    norms = found.discriminators.gradient_norms
    # A discriminator with a constant output gives no gradient.
    assert norms['loss_adv_global'] == {'image': 0, 'generator': 0, 'all': 0}
    batch = next(TestFaces(DATASETS.build(config.test_dataloader.dataset)).batches())
    with torch.no_grad():
        face = model.train()(model.data_preprocessor(batch)['inputs'])['pred_img'].double()
    truth = torch.stack([sample.gt_img for sample in batch['data_samples']]).double() / 255
    # d/dx mean (x - y)^2 = 2 (x - y) / n
    expected = float(2 * (face - truth).norm() / face.numel())
    assert norms['loss_pixel']['image'] == pytest.approx(expected, rel=1e-3)
    assert norms['loss_pixel']['generator'] == pytest.approx(norms['loss_pixel']['all'])
    assert found.discriminators.shares('image') == {'loss_pixel': 1.0, 'loss_adv_global': 0.0}
    text = format_audit(found)
    assert 'Discriminators, in training mode' in text
    assert 'loss_adv_global  0.0e+00' in text
    json.dumps(found.to_dict())


def test_gradient_shares_follow_the_loss_weights(face_folder: Path, tmp_path: Path) -> None:
    ratios = []
    for weight in (1e-3, 2e-3):
        config = gan_config(face_folder)
        config.model.adversarial_loss.loss_weight = weight
        torch.manual_seed(3)
        model = MODELS.build(config.model)
        path = tmp_path / f'{weight}.pth'
        torch.save({'state_dict': model.state_dict(), 'meta': {}}, path)
        shares = audit(config, path).discriminators.shares('all')
        assert sum(shares.values()) == pytest.approx(1)
        ratios.append(shares['loss_adv_global'] / shares['loss_pixel'])
    assert ratios[1] == pytest.approx(2 * ratios[0], rel=1e-3)


def test_missing_discriminators_of_a_checkpoint_are_reported(face_folder: Path, tmp_path: Path) -> None:
    config = gan_config(face_folder)
    model = MODELS.build(config.model)
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith('discriminator')}
    found = audit(config, save_safetensors(weights, tmp_path / 'published.safetensors'))
    assert found.discriminators is None
    assert 'Discriminators: not in this checkpoint' in format_audit(found)

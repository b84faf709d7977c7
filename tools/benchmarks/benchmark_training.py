"""Measure a training step, discriminators included, in this package's loop and in mmagic's SRGAN loop.

Both loops train the same networks on the same batch in turns. Times are medians, and the ratio is a ratio of medians.

- ``msrresnet``: mmagic's SRGAN with its config (MSRResNet, ModifiedVGG, VGG19 to conv5_4), and the same networks and
  losses in the slots of this package's restorer;
- ``srgan_x4``, ``fcg_gan_x4``: this package's configs; in mmagic's loop, their networks as its generator, all their
  discriminators as its discriminator, and VGG16 to relu3_3 (without the losses of rain removal and parsing).

mmagic's loop uses float32, as in its config; this package's loop uses bfloat16, as in its configs. Each loop runs in a
separate process, because they use the memory allocator differently. The script also measures the step without each
optimisation of this package, the share of time that a run waits for data, and the peak memory. VGG's weights are
random, which does not affect the time. The last line is JSON.
"""

import argparse
import json
import logging
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from statistics import median
from typing import Any
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from timing import Job, alternate, apart, cost_apart
from torch import Tensor, nn

from rainrestore.device import find_device
from rainrestore.engine.allocator import keep_freed_memory
from rainrestore.engine.config import load_config
from rainrestore.engine.optim import AutocastOptimWrapper
from rainrestore.models.losses.adversarial import AdversarialLoss
from rainrestore.models.losses.perceptual import MeanSquare
from rainrestore.models.networks.generator import FCGGenerator
from rainrestore.models.restorers import FCGGAN, AdversarialRestorer
from rainrestore.models.restorers.base import BaseRestorer
from rainrestore.models.restorers.preprocessor import RestorationPreprocessor
from rainrestore.registry import DATASETS, MODELS

PAIRS = ('msrresnet', 'srgan_x4', 'fcg_gan_x4')
GOAL = {'cpu': 2.5, 'cuda': 1.5}
DATA_GOAL = 0.02
WARM_UP = 3
ADAM = dict(type='Adam', lr=1e-4, betas=(0.9, 0.999))


def _own(config: dict) -> FCGGAN:
    with DefaultScope.overwrite_default_scope('rainrestore'):
        return MODELS.build(config)


@MODELS.register_module()
class WholeNetwork(nn.Module):
    """The networks of a config as one generator, I -> H^, without the optimisations of this package."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        model = _own(config)
        self.rain_removal, self.face_parser, self.generator = model.rain_removal, model.face_parser, model.generator
        self.generator.reconstruct = lambda features: self.generator.tail(self.generator.upsampler(features))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, 3, h, w) -> (N, 3, s h, s w)."""
        return FCGGAN.generate(self, inputs)[0]  # type: ignore[arg-type]


@MODELS.register_module()
class AllDiscriminators(nn.Module):
    """The discriminators of a config as one network: H -> all logits."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(discriminator for _, discriminator, _ in _own(config).discriminators())

    def forward(self, face: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, number of discriminators)."""
        return torch.stack([discriminator(face) for discriminator in self.discriminators], 1)


@MODELS.register_module()
class ForeignGenerator(nn.Module):
    """A network of mmagic for the generator slot: I -> H^."""

    def __init__(self, network: dict, derained: bool, parsing_channels: int) -> None:
        super().__init__()
        self.network = MODELS.build(network)

    def forward(self, rainy: Tensor, derained: None, parsing: None) -> Tensor:
        """(N, 3, h, w) -> (N, 3, s h, s w)."""
        return self.network(rainy).float()


@MODELS.register_module()
class ForeignDiscriminator(nn.Module):
    """mmagic's ModifiedVGG for the discriminator slot: H -> logits (N, 1)."""

    def __init__(self, network: dict) -> None:
        super().__init__()
        self.network = MODELS.build(network)
        # It reshapes its last features with view, which needs the contiguous memory format.
        self.network.bn4_1.register_forward_hook(lambda _, given, features: features.contiguous())

    def forward(self, face: Tensor) -> Tensor:
        """(N, 3, 128, 128) -> (N, 1)."""
        return self.network(face)


@MODELS.register_module()
class ForeignPerceptualLoss(nn.Module):
    """mmagic's perceptual loss, without its second return value."""

    def __init__(self, loss: dict) -> None:
        super().__init__()
        self.loss = MODELS.build(loss)

    def forward(self, face: Tensor, truth: Tensor) -> Tensor:
        """H^ and H -> a scalar."""
        return self.loss(face, truth)[0]


@MODELS.register_module()
class ForeignAdversarialLoss(AdversarialLoss):
    """mmagic's adversarial loss with the interface of this package's slot."""

    def __init__(self, loss: dict) -> None:
        super().__init__()
        self.loss = MODELS.build(loss)

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """Logits of H^ -> a scalar."""
        return self.loss(fake_logits.float(), target_is_real=True, is_disc=False)

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Logits of H and of H^ -> a scalar."""
        return self.loss(real_logits.float(), True, is_disc=True) + self.loss(fake_logits.float(), False, is_disc=True)

    @staticmethod
    def slope(logits: Tensor) -> Tensor:
        """Mean of 1 - D."""
        return (1 - logits.detach().float().sigmoid()).mean()


def _vgg(kind: str, layers: Mapping[str, float], weight: float, criterion: str) -> dict[str, Any]:
    return dict(
        type='mmagic.PerceptualLoss', layer_weights=dict(layers), vgg_type=kind, perceptual_weight=weight,
        style_weight=0, norm_img=False, criterion=criterion, pretrained=f'torchvision://{kind}',
    )  # fmt: skip


def _foreign(channels: int, blocks: int) -> dict[str, dict[str, Any]]:
    """mmagic's SRGAN as in its config srgan_x4c64b16_1xb16-1000k_div2k, with 64 channels and 16 blocks."""
    return dict(
        generator=dict(
            type='mmagic.MSRResNet', in_channels=3, out_channels=3, mid_channels=channels, num_blocks=blocks,
            upscale_factor=4,
        ),
        discriminator=dict(type='mmagic.ModifiedVGG', in_channels=3, mid_channels=channels),
        pixel_loss=dict(type='mmagic.L1Loss', loss_weight=1e-2, reduction='mean'),
        perceptual_loss=_vgg('vgg19', {'34': 1.0}, 1.0, 'l1'),
        gan_loss=dict(
            type='mmagic.GANLoss', gan_type='vanilla', loss_weight=5e-3, real_label_val=1.0, fake_label_val=0
        ),
    )  # fmt: skip


def _config(name: str) -> Config:
    return load_config(name)


@contextmanager
def _vgg_without_download() -> Iterator[None]:
    """Replace mmagic's download of VGG's weights by random weights."""
    import torchvision.models.vgg as vgg

    with ExitStack() as stack:
        for kind in ('vgg16', 'vgg19'):
            build = getattr(vgg, kind)
            stack.enter_context(mock.patch.object(vgg, kind, lambda pretrained, build=build: build(weights=None)))
        yield


def build_reference(pair: str, channels: int = 64, blocks: int = 16) -> tuple[nn.Module, OptimWrapperDict]:
    """mmagic's SRGAN with the networks of a pair, and its optimisers."""
    if pair == 'msrresnet':
        parts = _foreign(channels, blocks)
    else:
        model = _config(pair).model
        bare = dict(model, perceptual_loss=None)
        parts = dict(
            _foreign(channels, blocks),
            generator=dict(type='rainrestore.WholeNetwork', config=bare),
            discriminator=dict(type='rainrestore.AllDiscriminators', config=bare),
            pixel_loss=dict(type='mmagic.MSELoss', loss_weight=1.0),
            perceptual_loss=_vgg('vgg16', {'1': 1.0, '8': 1.0, '15': 1.0}, 1e-3, 'mse'),
        )
    grey = dict(type='mmagic.DataPreprocessor', mean=[0.0] * 3, std=[255.0] * 3)
    import mmagic.models  # noqa: F401  (fills its registry)

    torch.manual_seed(0)
    with _vgg_without_download(), DefaultScope.overwrite_default_scope('mmagic'):
        model = MODELS.build(dict(type='mmagic.SRGAN', data_preprocessor=grey, train_cfg={}, test_cfg={}, **parts))
        groups = {group: dict(type='OptimWrapper', optimizer=ADAM) for group in ('generator', 'discriminator')}
        wrappers = build_optim_wrapper(model, dict(constructor='mmagic.MultiOptimWrapperConstructor', **groups))
    return model.train(), wrappers


def build_ours(pair: str, channels: int = 64, blocks: int = 16) -> tuple[nn.Module, OptimWrapperDict]:
    """This package's restorer with the networks of a pair, and the optimisers of its config."""
    config = _config('srgan_x4' if pair == 'msrresnet' else pair)
    torch.manual_seed(0)
    with _vgg_without_download(), DefaultScope.overwrite_default_scope('rainrestore'):
        if pair == 'msrresnet':
            parts = _foreign(channels, blocks)
            config.model = dict(
                type='FCGGAN',
                generator=dict(type='ForeignGenerator', network=parts['generator']),
                discriminator=dict(type='ForeignDiscriminator', network=parts['discriminator']),
                pixel_loss=parts['pixel_loss'],
                perceptual_loss=dict(type='ForeignPerceptualLoss', loss=parts['perceptual_loss']),
                adversarial_loss=dict(type='ForeignAdversarialLoss', loss=parts['gan_loss']),
            )
            for group in ('generator', 'discriminator'):
                config.optim_wrapper[group].optimizer = dict(ADAM, fused=True)
        model = MODELS.build(config.model)
        return model.train(), build_optim_wrapper(model, config.optim_wrapper)


def faces(count: int) -> dict[str, list[Any]]:
    """A batch of bundled faces in rain, in the format of the data loader."""
    with DefaultScope.overwrite_default_scope('rainrestore'):
        data = DATASETS.build(dict(_config('fcg_gan_x4').train_dataloader.dataset, limit=count))
    samples = [data[index % len(data)] for index in range(count)]
    return {key: [sample[key] for sample in samples] for key in ('inputs', 'data_samples')}


def step_of(
    build: Callable[..., tuple[nn.Module, OptimWrapperDict]], pair: str, batch: int, device: str, *sizes: int
) -> Job:
    """A job: a training step."""
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    if build is build_reference:
        from mmagic.structures import DataSample

        data = faces(batch)
        # Only the ground truth, because mmagic's loop stacks all fields of a sample.
        data['data_samples'] = [DataSample(gt_img=sample.gt_img) for sample in data['data_samples']]
    else:
        data = faces(batch)
    model, wrappers = build(pair, *sizes)
    model.to(device)
    return lambda: model.train_step({key: list(value) for key, value in data.items()}, wrappers)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    with mock.patch.object(owner, name, value):
        yield


def _truth_channels_first(model: BaseRestorer, samples: Sequence[Any], key: str) -> Tensor:
    stacked = torch.stack([getattr(sample, key) for sample in samples])
    return stacked.float() / 255 if stacked.dtype == torch.uint8 else stacked


def _inputs_channels_first(model: RestorationPreprocessor, data: dict, training: bool = False) -> dict:
    images = torch.stack(list(data['inputs'])).to(model.device).float().div_(255)
    return {'inputs': images, 'data_samples': model.cast_data(data['data_samples'])}


def _mean_square(x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.mse_loss(x.float(), y.float())


#: Name of an optimisation -> a context without it.
LEVERS: dict[str, Callable[[], AbstractContextManager]] = {
    'bfloat16': lambda: _replaced(AutocastOptimWrapper, 'optim_context', AutocastOptimWrapper.__mro__[1].optim_context),  # type: ignore[attr-defined]
    'channels last': lambda: _both(
        _replaced(BaseRestorer, 'truth', _truth_channels_first),
        _replaced(RestorationPreprocessor, 'forward', _inputs_channels_first),
    ),
    'features compared in their own precision': lambda: _replaced(MeanSquare, 'apply', _mean_square),
    'frozen discriminators': lambda: _replaced(
        AdversarialRestorer, 'frozen_discriminators', lambda model: nullcontext()
    ),
    'pixel shuffle after the last convolution': lambda: _replaced(
        FCGGenerator, 'reconstruct', lambda model, features: model.tail(model.upsampler(features))
    ),
}


@contextmanager
def _both(first: AbstractContextManager, second: AbstractContextManager) -> Iterator[None]:
    with first, second:
        yield


def without(lever: str, step: Job) -> Job:
    """The step without an optimisation."""

    def run() -> None:
        with LEVERS[lever]():
            step()

    return run


class _Waiting(Hook):
    """Sums the time that iterations wait for data, and the total time, after a warm-up."""

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.waited = self.total = 0.0
        self._ended = 0.0

    def before_train_epoch(self, runner: Runner) -> None:
        self._ended = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        self._began = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        now = time.perf_counter()
        if batch_idx >= WARM_UP:
            self.waited += self._began - self._ended
            self.total += now - self._ended
        self._ended = now


def steps_of(build: Callable[..., tuple[nn.Module, OptimWrapperDict]], keep: bool, *arguments: Any) -> dict[str, Job]:
    """The step of a loop, in a process that keeps freed memory or not; for this package, also without optimisations."""
    if keep:
        keep_freed_memory()
    step = step_of(build, *arguments)
    levers = LEVERS if build is build_ours and keep else {}
    return {'step': step} | {lever: without(lever, step) for lever in levers}


def only_step(*arguments: Any) -> Job:
    """Only the step of :func:`steps_of`, without its variants."""
    return steps_of(*arguments)['step']


def share_of_waiting(name: str, batch: int, iterations: int) -> float:
    """The share of time that a training run waits for data."""
    waiting = _Waiting()
    with tempfile.TemporaryDirectory() as folder:
        config = _config(name)
        config.merge_from_dict(
            dict(
                work_dir=folder,
                experiment_name=f'waiting_{name}',
                log_level='ERROR',
                train_dataloader=dict(batch_size=batch),
                train_cfg=dict(max_iters=WARM_UP + iterations),
                default_hooks=dict(checkpoint=None),
                visualizer=dict(vis_backends=[]),
            )
        )
        for part in ('val_dataloader', 'val_cfg', 'val_evaluator', 'test_dataloader', 'test_cfg', 'test_evaluator'):
            config[part] = None
        config.custom_hooks = []
        runner = Runner.from_cfg(config)
        runner.register_hook(waiting)
        runner.train()
    return waiting.waited / waiting.total


def main() -> None:
    """Measure, print a table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pairs', nargs='*', metavar='PAIR', help=f'{", ".join(PAIRS)} (default: all)')
    parser.add_argument('--batch', type=int, default=16, help='faces a step (default 16)')
    parser.add_argument('--rounds', type=int, default=7, help='measured rounds (default 7)')
    parser.add_argument('--iterations', type=int, default=20, help='iterations for the waiting time (default: 20)')
    parser.add_argument('--device', help='cpu or cuda (default: a GPU if there is one)')
    parser.add_argument(
        '--channels', type=int, default=64, help="channels of mmagic's networks, for short tests (default 64)"
    )
    parser.add_argument('--blocks', type=int, default=16, help='blocks of MSRResNet, for short tests (default 16)')
    args = parser.parse_args()
    pairs = args.pairs or list(PAIRS)
    if unknown := set(pairs) - set(PAIRS):
        parser.error(f'{sorted(unknown)[0]!r} is no pair; choose from {", ".join(PAIRS)}')
    if min(args.rounds, args.iterations, args.batch - 1) < 1:
        parser.error('--rounds and --iterations must be at least 1, --batch 2 (batch normalisation)')
    device = find_device(args.device)
    results: dict[str, Any] = {}
    for pair in pairs:
        arguments = (pair, args.batch, str(device), args.channels, args.blocks)
        loops = {'mmagic': (build_reference, False), 'rainrestore': (build_ours, True)}
        memory = {
            loop: cost_apart(only_step, *how, *arguments, rounds=2, device=device).mib for loop, how in loops.items()
        }
        with ExitStack() as stack:
            jobs = {loop: stack.enter_context(apart(steps_of, *how, *arguments)) for loop, how in loops.items()}
            unkept = stack.enter_context(apart(steps_of, build_ours, False, *arguments))
            levers = {'freed memory kept': unkept['step']} | jobs['rainrestore']
            steps = {'mmagic': jobs['mmagic']['step'], 'rainrestore': levers.pop('step'), **levers}
            seconds = {name: median(times) for name, times in alternate(steps, args.rounds, device).items()}
        found: dict[str, Any] = {
            'faces_per_s': {loop: round(args.batch / seconds[loop], 2) for loop in memory},
            'ratio': round(seconds['mmagic'] / seconds['rainrestore'], 2),
            'peak_MiB': {loop: round(peak) for loop, peak in memory.items()},
            'step_without': {lever: round(seconds[lever] / seconds['rainrestore'], 2) for lever in levers},
        }
        found['reached'] = found['ratio'] >= GOAL[device.type]
        if pair != 'msrresnet':
            found['waiting'] = round(share_of_waiting(pair, args.batch, args.iterations), 4)
        results[pair] = found
        print(f'{pair}: {found["ratio"]} times as many faces a second as in the loop of mmagic')
        for loop, rate in found['faces_per_s'].items():
            print(f'  {loop:12} {rate:8.2f} faces/s   peak {found["peak_MiB"][loop]:6} MiB')
        for lever, factor in found['step_without'].items():
            print(f'  a step takes {factor:.2f} times as long without: {lever}')
        if 'waiting' in found:
            print(
                f'  waits for data in {100 * found["waiting"]:.2f} % of the time (goal: under {100 * DATA_GOAL:.0f} %)'
            )
    result = {
        'benchmark': 'training step, against the SRGAN loop of mmagic',
        'device': str(device),
        'threads': torch.get_num_threads(),
        'batch': args.batch,
        'rounds': args.rounds,
        'goal': GOAL[device.type],
        'pairs': results,
        'torch': torch.__version__,
        'python': platform.python_version(),
    }
    print(json.dumps(result))


if __name__ == '__main__':
    main()

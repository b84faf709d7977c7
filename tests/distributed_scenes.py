"""The work of the two processes of tests/test_engine_distributed.py, which compares them with one process.

``python distributed_scenes.py FOLDER`` writes to ``FOLDER/scenes_RANK.pt`` and the work dirs of the runs. A second
argument, ``gpu`` or ``configs``, selects one part.
"""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object, all_reduce, get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from narrow import narrow
from processes import free_port
from torch import distributed, nn
from toy import SIZE, toy_config

from rainrestore.config_files import packaged_files
from rainrestore.datasets.sampling import ResumableSampler
from rainrestore.engine import saving
from rainrestore.engine.config import load_config
from rainrestore.engine.data_parallel import RestorerDataParallel, average_gradients
from rainrestore.engine.processes import from_first, joined
from rainrestore.engine.signals import exit_code
from rainrestore.errors import CheckpointError, ConfigError, RainRestoreError
from rainrestore.evaluation import RestorationEvaluator
from rainrestore.models.losses import RelativisticAdversarialLoss
from rainrestore.registry import DATA_SAMPLERS, HOOKS

CONFIGS = Path(__file__).parents[1] / 'configs'
WHOLE, CUT = 5, 3
#: With the seed of the toy: the second of two processes with two samples each draws it in the second iteration.
BAD = [int(index) for index, _ in zip(ResumableSampler(range(SIZE), seed=5), range(6), strict=False)][5]
#: Numbers of faces, more and fewer than processes, and whether the last share is filled up with repeated faces.
SHARED_OUT = ((5, False), (5, True), (1, False), (1, True))


@HOOKS.register_module(force=True)
class FrozenStatistics(Hook):
    """Batch norm with its running statistics: the networks do not depend on the batch."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        for part in runner.model.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()


def logits() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of four true and four restored faces."""
    real, fake = torch.randn(2, 4, generator=torch.Generator().manual_seed(1)).double()
    return real, fake


def adversarial(real: torch.Tensor, fake: torch.Tensor) -> dict[str, Any]:
    """Loss and gradients of the relativistic loss."""
    real, fake = (side.clone().requires_grad_() for side in (real, fake))
    loss = RelativisticAdversarialLoss().discriminator_loss(real, fake)
    loss.backward()
    return dict(loss=loss.detach(), real=real.grad, fake=fake.grad)


def gradients() -> dict[str, Any]:
    """Gradients of parameters that both processes use, only the first one, or neither."""
    parameters = [nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1))]
    factor = 1.0 + get_rank()
    (parameters[0].sum() * factor + (parameters[1].sum() * 4 if get_rank() == 0 else 0)).backward()
    average_gradients(parameters)
    return dict(enumerate(parameter.grad for parameter in parameters))


def buffers() -> dict[str, Any]:
    """Running statistics after a step on different shares, before and after the switch to evaluation mode."""
    network = RestorerDataParallel(nn.BatchNorm1d(2))
    network(torch.arange(4.0).view(2, 2) + get_rank())
    before = network.module.running_mean.clone()
    network.eval()
    return dict(before=before, after=network.module.running_mean.clone())


def scored(indices: Sequence[int]) -> list[dict[str, Any]]:
    """Predictions for these faces; every third face has no parsing."""
    samples = []
    for index in indices:
        random = torch.Generator().manual_seed(index)
        truth, pred = torch.rand(2, 19, 4, 4, generator=random)
        output = dict(pred_img=torch.rand(3, 12, 12, generator=random) * 255)
        sample = dict(name=f'face_{index}', gt_img=torch.full((3, 12, 12), 100, dtype=torch.uint8), output=output)
        if index % 3:
            output['parsing'] = pred
            sample['parsing'] = truth
        samples.append(sample)
    return samples


def measure(folder: Path, images: int, round_up: bool) -> dict[str, float]:
    """The metrics of this process's share of the faces."""
    evaluator = RestorationEvaluator(
        [dict(type='PSNR'), dict(type='SSIM'), dict(type='ParsingMIoU', optional=True)],
        per_image=str(folder / f'per_image_{images}_{round_up}.csv'),
    )
    sampler = dict(type='DefaultSampler', dataset=range(images), shuffle=False, round_up=round_up, seed=0)
    for index in DATA_SAMPLERS.build(sampler):
        evaluator.process(scored([index]))
    return evaluator.evaluate(images)


def shared(config: Config, batch: int) -> Config:
    """The config for several processes, each with ``batch`` samples."""
    config.launcher = 'pytorch' if 'RANK' in os.environ else 'none'
    config.model_wrapper_cfg = dict(type='rainrestore.RestorerDataParallel')
    config.train_dataloader.batch_size = batch
    return config


def toy(work_dir: Path, iterations: int, **changes: Any) -> Config:
    """The toy's training with validations."""
    evaluator = dict(type='ToyMean', collect_device='gpu')
    loader = dict(
        batch_size=2, num_workers=0, dataset=dict(type='ToyNoise'), sampler=dict(type='DefaultSampler', shuffle=False)
    )
    validating = dict(val_dataloader=loader, val_cfg=dict(type='ValLoop'), val_evaluator=evaluator)
    config = shared(toy_config(work_dir, iterations, **validating, **changes), 2)
    config.visualizer.vis_backends.append(dict(type='TensorboardVisBackend'))
    return config


class KillSecond(Hook):
    """Sends SIGTERM to one process in the middle of an iteration, and to the other a little later."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter == CUT - 1 and get_rank() == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    def after_train(self, runner: Runner) -> None:
        if get_rank() == 0:
            os.kill(os.getpid(), signal.SIGTERM)


def interrupted(folder: Path) -> dict[str, Any]:
    """A run; the same run, stopped by a signal to one process; and its resumed run."""
    Runner.from_cfg(toy(folder / 'whole', WHOLE)).train()
    runner = Runner.from_cfg(toy(folder / 'cut', WHOLE))
    runner.register_hook(KillSecond(), priority='VERY_HIGH')
    runner.train()
    code, reached = exit_code(runner), runner.iter
    newest = saving.newest_checkpoint(folder / 'cut')
    Runner.from_cfg(toy(folder / 'more', WHOLE, resume=True, load_from=newest)).train()
    return dict(code=code, reached=reached, newest=str(newest))


def failure(act: Callable[[], Any]) -> str:
    """Class and message of the raised error."""
    try:
        act()
    except RainRestoreError as error:
        return f'{type(error).__name__}: {error}'
    return 'none'


def non_finite(folder: Path) -> dict[str, Any]:
    """A sample of the second process is NaN: one run has to stop, another may skip a batch."""
    data = {'train_dataloader.dataset.bad': (BAD,)}
    skip = {'custom_hooks': [dict(type='FiniteLossHook', skip=1)]}
    stopped = failure(Runner.from_cfg(toy(folder / 'nan', WHOLE, **data)).train)
    runner = Runner.from_cfg(toy(folder / 'skip', 2, **data, **skip))
    runner.train()
    return dict(
        stopped=stopped, weights={key: value.clone() for key, value in runner.model.module.state_dict().items()}
    )


def full_disk(folder: Path, best: bool) -> str:
    """Only the first process writes, and its disk is full."""

    def refuse(path: Any, content: bytes) -> None:
        raise CheckpointError(f'{Path(path).name} could not be written')

    original = saving.write_whole
    config = toy(folder / f'full_{best}', WHOLE)
    if best:
        config.default_hooks.checkpoint.update(interval=100, save_best='mean', rule='greater', save_last=False)
    runner = Runner.from_cfg(config)
    saving.write_whole = refuse  # type: ignore[assignment]
    try:
        return failure(runner.train)
    finally:
        saving.write_whole = original


def faces(work_dir: Path, batch: int) -> Config:
    """The paper's network, narrow, with an additional relativistic loss, trained by SGD: its first momentum is the
    gradient.
    """
    plain = dict(
        optimizer=dict(type='SGD', lr=0.1, momentum=0.9, _delete_=True), enabled=False, clip_grad=dict(max_norm=0.1)
    )
    config = load_config(CONFIGS / 'fcg_gan_x4.py')
    config.merge_from_dict(dict(
        model=dict(
            **narrow(config.model),
            adversarial_loss=dict(type='RelativisticAdversarialLoss'),
            parameter_loss=dict(type='RainParameterLoss', transmission_gradient=1.0),
        ),
        optim_wrapper=dict(generator=plain, discriminator=plain),
        train_dataloader=dict(num_workers=0, persistent_workers=False, dataset=dict(limit=7)),
        val_dataloader=dict(num_workers=0, persistent_workers=False, batch_size=1, dataset=dict(limit=3)),
        train_cfg=dict(max_iters=3, val_interval=3),
        default_hooks=dict(logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=9)),
        work_dir=str(work_dir),
        experiment_name=str(work_dir).replace('/', '_'),
        log_level='ERROR',
    ))  # fmt: skip
    config.custom_hooks.append(dict(type='FrozenStatistics'))
    return shared(config, batch)


def main(folder: Path) -> None:
    """All scenes in one group of processes, because starting processes is slow."""
    results: dict[str, Any] = {}
    with joined('pytorch', {}):
        real, fake = logits()
        share = slice(get_rank(), None, 2)
        results['adversarial'] = adversarial(real[share], fake[share])
        results['gradients'] = gradients()
        results['buffers'] = buffers()
        results['metrics'] = {case: measure(folder, *case) for case in SHARED_OUT}
        results['interrupted'] = interrupted(folder)
        results['non_finite'] = non_finite(folder)
        results['full_disk'] = {best: full_disk(folder, best) for best in (False, True)}
        if importlib.util.find_spec('mmagic'):
            runner = Runner.from_cfg(faces(folder / 'faces', 2))
            runner.train()
        torch.save(results, folder / f'scenes_{get_rank()}.pt')
        # A new group that starts right after the end of another may find the store of the other.
        meeting = from_first(free_port() if get_rank() == 0 else None)
    os.environ['MASTER_PORT'] = meeting
    try:
        with joined('pytorch', {}):
            if get_rank() == 1:
                raise ConfigError('only here')
            all_reduce(torch.ones(1))
    except (ConfigError, RuntimeError) as error:
        (folder / f'ended_{os.environ["RANK"]}').write_text(type(error).__name__)


def on_gpu(folder: Path) -> None:
    """NCCL and SyncBN. mmengine communicates only between several processes, so the message uses torch directly."""
    with joined('pytorch', {}):
        assert distributed.get_backend() == 'nccl'
        message = torch.arange(3.0, device='cuda')
        distributed.all_reduce(message)
        assert message.tolist() == [0, 1, 2]
        config = faces(folder / 'faces', 2)
        config.custom_hooks.pop()  # a hook with frozen statistics
        config.sync_bn = 'torch'
        runner = Runner.from_cfg(config)
        assert isinstance(runner.model, RestorerDataParallel)
        assert any(isinstance(part, nn.SyncBatchNorm) for part in runner.model.modules())
        runner.train()


def configs(folder: Path) -> None:
    """Every training of the repository, narrow: its replicas stay equal for all slots and steps.

    The configs for the pairs of the Raindrop set have the models of other configs, and need these pairs.
    """
    with joined('pytorch', {}):
        for path in sorted(packaged_files().values()):
            config = load_config(path)
            if not config.get('train_cfg') or path.stem.endswith('_qian'):
                continue
            dataset = dict(limit=5)
            if 'size' in config.train_dataloader.dataset:
                dataset['size'] = 128  # the size of the bundled faces
            small = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dataset)
            config.merge_from_dict(dict(
                model=narrow(config.model),
                train_dataloader=small,
                val_dataloader=small,
                train_cfg=dict(max_iters=2, val_interval=2),
                work_dir=str(folder / path.stem),
                experiment_name=path.stem,
                log_level='ERROR',
            ))  # fmt: skip
            runner = Runner.from_cfg(shared(config, 2))
            runner.train()
            sums = [float(weight.detach().double().sum()) for weight in runner.model.parameters()]
            first, second = all_gather_object(sums)
            assert first == second, path
            (folder / f'{path.stem}.trained').touch()


if __name__ == '__main__':
    {'gpu': on_gpu, 'configs': configs, '': main}[''.join(sys.argv[2:])](Path(sys.argv[1]))

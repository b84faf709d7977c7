"""The benchmark scripts compare equal work, and report correct values."""

import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

TOOLS = Path(__file__).parents[1] / 'tools' / 'benchmarks'
sys.path.insert(0, str(TOOLS))
from timing import alternate, apart, cost_apart  # noqa: E402  (a module beside the scripts)

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def training() -> Any:
    pytest.importorskip('mmagic')
    import benchmark_training

    return benchmark_training


def hungry(mib: int) -> Callable[[], Any]:
    """A job that needs this amount of memory while it runs."""
    return lambda: np.ones((mib, 2**20), np.uint8).sum()


def test_jobs_alternate() -> None:
    order: list[str] = []
    seconds = alternate({name: lambda name=name: order.append(name) for name in 'ab'}, 3, CPU)
    assert order == ['a', 'a', 'b', 'b'] * 4  # the second run of each job is measured, after one round of warm-up
    assert [len(times) for times in seconds.values()] == [3, 3]


def counters(path: Path) -> dict[str, Callable[[], Any]]:
    """Two jobs of one process: one records its process id, the other fails."""

    def fail() -> None:
        raise ValueError('the second job')

    return {'note': lambda: path.write_text(f'{os.getpid()}'), 'fail': fail}


def test_jobs_run_in_a_separate_process(tmp_path: Path) -> None:
    with apart(counters, tmp_path / 'a') as first, apart(counters, tmp_path / 'b') as second:
        for jobs in (first, second, first):
            jobs['note']()
        with pytest.raises(ValueError, match='the second job'):
            second['fail']()
    processes = {(tmp_path / name).read_text() for name in 'ab'}
    assert len(processes) == 2 and str(os.getpid()) not in processes


def test_peak_memory_is_that_of_the_job() -> None:
    """Linux measures the peak of the job; on other systems this is an error."""
    if not Path('/proc/self/clear_refs').exists():
        with pytest.raises(OSError, match='clear_refs'):
            cost_apart(hungry, 200, rounds=1, device=CPU)
        return
    cost = cost_apart(hungry, 200, rounds=1, device=CPU)
    assert 200 <= round(cost.mib) <= 230
    assert cost.seconds > 0


def vector(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])


def test_both_training_loops_give_the_same_weights(training: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In double precision and with plain gradient descent, equal networks end with equal weights.

    In single precision, rounding changes the sign of absolute differences near zero: the steps differ by up to 2 %.
    """
    monkeypatch.setattr(torch.Tensor, 'float', torch.Tensor.double)  # the losses and both preprocessors call it
    models = {}
    for build in (training.build_reference, training.build_ours):
        models[build.__name__] = build('msrresnet', 8, 1)[0].double()
    reference, ours = models.values()
    pairs = [
        (reference.generator, ours.generator.network),
        (reference.discriminator, ours.discriminator.network),
        (reference.perceptual_loss, ours.perceptual_loss.loss),
    ]
    from mmengine.optim import OptimWrapperDict

    from rainrestore.engine import AutocastOptimWrapper

    for theirs, mine in pairs:
        mine.load_state_dict(theirs.state_dict())
    before = [vector(theirs) for theirs, _ in pairs[:2]]
    data = training.faces(2)
    for model in (reference, ours):
        wrappers = {
            part: AutocastOptimWrapper(
                enabled=False, optimizer=torch.optim.SGD(getattr(model, part).parameters(), lr=1.0)
            )
            for part in ('generator', 'discriminator')
        }
        model.train_step({key: list(value) for key, value in data.items()}, OptimWrapperDict(**wrappers))
    for (theirs, mine), start in zip(pairs[:2], before, strict=True):
        step, same = vector(theirs) - start, vector(mine) - start
        assert (step - same).norm() <= 1e-10 * step.norm() > 0


@pytest.mark.parametrize('pair', ['srgan_x4', 'fcg_gan_x4'])
def test_mmagic_loop_has_the_networks_of_the_config(training: Any, pair: str) -> None:
    reference, ours = (build(pair)[0] for build in (training.build_reference, training.build_ours))

    def parameters(*modules: Any) -> int:
        return sum(p.numel() for module in modules if module is not None for p in module.parameters())

    assert parameters(reference.generator) == parameters(ours.rain_removal, ours.face_parser, ours.generator)
    assert parameters(reference.discriminator) == parameters(ours.discriminator, ours.local_discriminators)
    assert parameters(reference.perceptual_loss.vgg) == parameters(ours.perceptual_loss.vgg)


def test_scaling_benchmark_writes_faces_of_any_size_and_a_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('mmagic')
    monkeypatch.syspath_prepend(str(TOOLS))
    import benchmark_scaling

    data = benchmark_scaling.batch_maker(64, 2, 3)()
    assert [tuple(image.shape) for image in data['inputs']] == [(3, 64, 64)] * 2
    sample = data['data_samples'][0]
    assert sample.gt_img.shape == (3, 256, 256) and sample.parsing.shape == (19, 64, 64)
    assert len(sample.rain['layers']) == 3
    points = [dict(side=side, batch=2, layers=1, step_s=1.5, batch_s=0.5, peak_MiB=100) for side in (32, 64)]
    benchmark_scaling.plot({'side': points, 'batch': points[:1]}, 'title', tmp_path / 'plots' / 'scaling.png')
    assert Image.open(tmp_path / 'plots' / 'scaling.png').size == (1100, 600)


def test_thread_counts_are_measured_in_turn_beside_a_busy_core(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import benchmark_threads

    seen: list[tuple[int, int]] = []

    def work(*_: Any) -> None:
        seen.append((torch.get_num_threads(), len(multiprocessing.active_children())))

    before = torch.get_num_threads()
    monkeypatch.setattr(benchmark_threads, 'training_step', lambda *_: work)
    monkeypatch.setattr(benchmark_threads, 'Restorer', lambda *_, **__: SimpleNamespace(restore=work))
    monkeypatch.setattr(benchmark_threads, 'limit_threads', lambda: 1)
    monkeypatch.setattr(sys, 'argv', ['benchmark_threads.py', '--busy', '1', '--rounds', '1'])
    torch.set_num_threads(2)
    try:
        benchmark_threads.main()
    finally:
        torch.set_num_threads(before)
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found['default'], found['chosen'], list(found['jobs'])) == (2, 1, ['restoring', 'training step'])
    assert seen == [(2, 1), (2, 1), (1, 1), (1, 1)] * 4
    assert not multiprocessing.active_children()

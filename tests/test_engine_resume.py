"""An interrupted and resumed run equals an uninterrupted run bit for bit, for every source of random numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from narrow import narrow
from toy import SIZE, ToyNoise, toy_config

from rainrestore.checkpoints import load_checkpoint
from rainrestore.datasets.sampling import ResumableSampler, SeededSamples
from rainrestore.engine.config import load_config
from rainrestore.errors import ConfigError

ROOT = Path(__file__).parents[1]
FINITE = dict(type='DefaultSampler', shuffle=True, _delete_=True)


def assert_same(left: Any, right: Any, where: str = '') -> None:
    """Check that two nested structures are equal in every bit."""
    assert type(left) is type(right), where
    if isinstance(left, torch.Tensor):
        assert torch.equal(left, right), where
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), where
        for key in left:
            assert_same(left[key], right[key], f'{where}.{key}')
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right), where
        for number, pair in enumerate(zip(left, right, strict=True)):
            assert_same(*pair, f'{where}[{number}]')
    else:
        assert left == right, where


def assert_same_end(first: Path, second: Path, last: int) -> None:
    whole, resumed = (load_checkpoint(folder / f'iter_{last}.pth') for folder in (first, second))
    for key in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        assert_same(whole[key], resumed[key], key)


@pytest.mark.parametrize('workers', [0, 2])
def test_toy_run_resumes_exactly_from_every_iteration(tmp_path: Path, workers: int) -> None:
    last = 6
    Runner.from_cfg(toy_config(tmp_path / 'whole', last, 0)).train()
    stops = range(1, last) if workers == 0 else (3,)
    for stop in stops:
        config = toy_config(tmp_path / f'from_{stop}', last, workers, resume=True)
        config.load_from = str(tmp_path / 'whole' / f'iter_{stop}.pth')
        Runner.from_cfg(config).train()
        assert_same_end(tmp_path / 'whole', tmp_path / f'from_{stop}', last)


def test_random_draws_differ_between_iterations_and_seeds(tmp_path: Path) -> None:
    """Without random numbers in the runs, the comparison of runs could not fail."""
    Runner.from_cfg(toy_config(tmp_path / 'one', 3)).train()
    Runner.from_cfg(toy_config(tmp_path / 'two', 3, randomness=dict(seed=6))).train()
    one, two = (load_checkpoint(tmp_path / name / 'iter_3.pth')['state_dict'] for name in ('one', 'two'))
    assert not torch.equal(one['body.2.weight'], two['body.2.weight'])


def test_validation_does_not_change_the_training(tmp_path: Path) -> None:
    Runner.from_cfg(toy_config(tmp_path / 'never', 4)).train()
    loader = dict(
        batch_size=2, num_workers=0, dataset=dict(type='ToyNoise'), sampler=dict(type='DefaultSampler', shuffle=True)
    )
    validating = dict(val_dataloader=loader, val_cfg=dict(type='ValLoop'), val_evaluator=dict(type='ToyMean'))
    Runner.from_cfg(toy_config(tmp_path / 'often', 4, **validating)).train()
    assert_same_end(tmp_path / 'never', tmp_path / 'often', 4)


def test_resuming_reads_no_earlier_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Runner.from_cfg(toy_config(tmp_path / 'whole', 5)).train()
    read = []
    original = SeededSamples.__getitem__
    monkeypatch.setattr(SeededSamples, '__getitem__', lambda self, index: read.append(index) or original(self, index))
    config = toy_config(tmp_path / 'more', 5, resume=True, load_from=str(tmp_path / 'whole' / 'iter_4.pth'))
    Runner.from_cfg(config).train()
    assert len(read) == 2  # one batch of two samples


def test_data_position_is_resumed_with_another_batch_size(tmp_path: Path) -> None:
    Runner.from_cfg(toy_config(tmp_path / 'whole', 3)).train()
    config = toy_config(tmp_path / 'more', 4, resume=True, load_from=str(tmp_path / 'whole' / 'iter_3.pth'))
    config.train_dataloader.batch_size = 3
    Runner.from_cfg(config).train()
    hub = load_checkpoint(tmp_path / 'more' / 'iter_4.pth')['message_hub']['runtime_info']
    assert hub['data_stream'] == {'seed': 5, 'drawn': 3 * 2 + 3}


@pytest.mark.parametrize('size', [SIZE, SIZE - 1])
def test_another_number_of_faces_is_logged_on_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    Runner.from_cfg(toy_config(tmp_path / 'whole', 2)).train()
    monkeypatch.setattr(ToyNoise, '__len__', lambda self: size)
    last = str(tmp_path / 'whole' / 'iter_2.pth')
    Runner.from_cfg(toy_config(tmp_path / 'more', 3, resume=True, load_from=last, log_level='WARNING')).train()
    (log,) = (tmp_path / 'more').rglob('*.log')
    said = f'the training set has {size} faces, at the checkpoint it had {SIZE}' in log.read_text()
    assert said == (size != SIZE)


def test_batch_far_larger_than_the_data_set_is_refused(tmp_path: Path) -> None:
    """A batch of up to 64 may repeat the seven samples."""
    config = toy_config(tmp_path, 1)
    config.train_dataloader.batch_size = 65
    with pytest.raises(ConfigError, match=r'batch_size: 65 is more than the 7 faces .* use at most 64'):
        Runner.from_cfg(config).train()
    config = toy_config(tmp_path / 'smaller', 1)
    config.train_dataloader.batch_size = 64
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.iter == 1


def test_data_set_without_a_whole_batch_is_refused(tmp_path: Path) -> None:
    """With a finite sampler, the loop would wait for a batch without end."""
    loader = dict(batch_size=8, num_workers=0, drop_last=True, dataset=dict(type='ToyNoise'), sampler=FINITE)
    config = toy_config(tmp_path, 1, train_dataloader=loader)
    with pytest.raises(ConfigError, match=r'drop_last: the 7 faces .* less than a batch of 8'):
        Runner.from_cfg(config).train()
    config = toy_config(tmp_path / 'smaller', 1, train_dataloader={**loader, 'drop_last': False})
    Runner.from_cfg(config).train()


def test_random_seed_is_resumed(tmp_path: Path) -> None:
    """Without a seed in the config, the resumed run takes the random seed of the first run."""
    Runner.from_cfg(toy_config(tmp_path / 'whole', 4, randomness=dict(seed=None))).train()
    config = toy_config(tmp_path / 'more', 4, randomness=dict(seed=None), resume=True)
    config.load_from = str(tmp_path / 'whole' / 'iter_2.pth')
    Runner.from_cfg(config).train()
    assert_same_end(tmp_path / 'whole', tmp_path / 'more', 4)


def test_sampler_draws_each_sample_once_per_epoch_in_changing_order() -> None:
    stream = iter(ResumableSampler(range(SIZE), seed=3))
    passes = [[int(next(stream)) for _ in range(SIZE)] for _ in range(4)]
    assert all(sorted(order) == list(range(SIZE)) for order in passes)
    assert len({tuple(order) for order in passes}) == 4


def test_sampler_starts_at_any_position() -> None:
    stream = iter(ResumableSampler(range(SIZE), seed=3))
    expected = [(int(index), index.seed) for index in (next(stream) for _ in range(30))]
    later = ResumableSampler(range(SIZE), seed=3)
    later.start = 11
    stream = iter(later)
    assert [(int(index), index.seed) for index in (next(stream) for _ in range(19))] == expected[11:]
    assert len({seed for _, seed in expected}) == 30


def test_processes_share_the_sample_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = iter(ResumableSampler(range(SIZE), seed=3))
    expected = [int(next(whole)) for _ in range(20)]
    shares = []
    for rank in range(2):
        monkeypatch.setattr('rainrestore.datasets.sampling.get_dist_info', lambda rank=rank: (rank, 2))
        share = iter(ResumableSampler(range(SIZE), seed=3))
        shares.append([int(next(share)) for _ in range(10)])
    assert [index for pair in zip(*shares, strict=True) for index in pair] == expected


def test_reading_a_sample_does_not_change_the_generators() -> None:
    class Drawing:
        def __getitem__(self, index: int) -> float:
            return float(np.random.random() + torch.rand(1))

        def __len__(self) -> int:
            return 3

    samples, index = SeededSamples(Drawing()), next(iter(ResumableSampler(range(3), seed=1)))
    np.random.seed(0)
    torch.manual_seed(0)
    first = samples[index]
    after = np.random.random(), torch.rand(1).item()
    np.random.seed(0)
    torch.manual_seed(0)
    assert after == (np.random.random(), torch.rand(1).item())
    assert samples[index] == first


@pytest.mark.parametrize(('name', 'workers'), [('fcg_gan_x4', 2), ('srgan_x4', 0)])
def test_network_training_resumes_exactly(tmp_path: Path, name: str, workers: int) -> None:
    """The paper's networks, with random rain, flips, several optimisers, EMA, a schedule, bfloat16 and validations."""
    pytest.importorskip('mmagic')
    last = 3

    def run(folder: Path, **changes: Any) -> None:
        loader = dict(batch_size=2, num_workers=workers, persistent_workers=workers > 0, dataset=dict(limit=5))
        options = dict(
            train_dataloader=loader,
            val_dataloader=dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(limit=2)),
            train_cfg=dict(max_iters=last, val_interval=2),
            default_hooks=dict(logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=9)),
            visualizer=dict(vis_backends=[dict(type='LocalVisBackend')]),
        )
        config = load_config(name, options)
        config.merge_from_dict(dict(model=narrow(config.model)))
        config.merge_from_dict(dict(work_dir=str(folder), experiment_name=f'{name}_{folder.name}', **changes))
        config.param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=9)]
        config.custom_hooks.append(dict(type='EMAHook'))
        Runner.from_cfg(config).train()

    run(tmp_path / 'whole')
    for stop in range(1, last):
        run(tmp_path / f'from_{stop}', resume=True, load_from=str(tmp_path / 'whole' / f'iter_{stop}.pth'))
        assert_same_end(tmp_path / 'whole', tmp_path / f'from_{stop}', last)

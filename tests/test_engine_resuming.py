"""A checkpoint is compared with the run before it is loaded, and can only delete files of its run."""

import copy
import logging
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.model import BaseModule
from mmengine.runner import Runner
from torch import nn
from toy import ToyModel, toy_config

from rainrestore.checkpoints import Pretrained, fit_weights, load_checkpoint, placed, unwrapped
from rainrestore.engine.differences import _one_optimizer
from rainrestore.engine.saving import newest_checkpoint
from rainrestore.errors import CheckpointError, NonFiniteError
from rainrestore.registry import MODELS
from rainrestore.torch_files import read_torch_file


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work dir of a run of four iterations."""
    folder = tmp_path_factory.mktemp('trained')
    Runner.from_cfg(toy_config(folder, 4)).train()
    return folder


@pytest.fixture
def checkpoint(trained: Path) -> dict[str, Any]:
    return read_torch_file(trained / 'iter_4.pth')


class Messages(logging.Handler):
    """The log messages of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def run(folder: Path, source: Path, iterations: int = 6, resume: bool = True, **changes: Any) -> tuple[Runner, str]:
    """Train from a file; returns the runner and its log."""
    config = toy_config(folder, iterations, resume=resume, load_from=str(source))
    config.merge_from_dict(changes)
    runner = Runner.from_cfg(config)
    messages = Messages()
    runner.logger.addHandler(messages)
    runner.logger.setLevel(logging.INFO)
    runner.train()
    return runner, '\n'.join(messages.lines)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('hook', ['WholeCheckpointHook', 'CheckpointHook'])
@pytest.mark.parametrize('inside', [True, False])
def test_crafted_checkpoint_deletes_no_file(
    tmp_path: Path, checkpoint: dict[str, Any], hook: str, inside: bool
) -> None:
    """The checkpoint names the file as last, best or kept, in the work dir or elsewhere."""
    work = tmp_path / 'work'
    work.mkdir()
    precious = [tmp_path / 'precious.pth', tmp_path / 'iter_9.pth', work / 'notes.txt', work / 'iter_1.pth']
    for path in precious:
        path.write_text('precious')
    info = checkpoint['message_hub']['runtime_info']
    info['keep_ckpt_ids'] = ['../../precious', '{}', 1.5, True, -1, [1], None, '1'] + ([] if inside else [1])
    info['last_ckpt'] = str(tmp_path / 'precious.pth')
    info['best_ckpt'] = '../precious.pth'
    info['best_ckpt_mean'] = str(work / 'notes.txt')
    info['best_score'] = -math.inf
    source = (work if inside else tmp_path) / 'iter_4.pth'
    torch.save(checkpoint, source)
    loader = dict(batch_size=2, num_workers=0, dataset=dict(type='ToyNoise'), sampler=dict(type='DefaultSampler'))
    changes: dict[str, Any] = dict(
        val_dataloader=loader, val_cfg=dict(type='ValLoop'), val_evaluator=dict(type='ToyMean'),
        default_hooks=dict(checkpoint=dict(type=hook, max_keep_ckpts=1, save_best='mean', rule='greater')),
    )  # fmt: skip
    run(work, source, **changes)
    assert [path.read_text() for path in precious] == ['precious'] * 4
    assert [path.name for path in work.glob('best_*')], 'the best one is saved all the same'


def test_run_removes_its_own_checkpoints(tmp_path: Path) -> None:
    """Checkpoints of the run are counted and removed after a resume, also in a moved work dir."""
    loader = dict(batch_size=2, num_workers=0, dataset=dict(type='ToyNoise'), sampler=dict(type='DefaultSampler'))
    changes: dict[str, Any] = dict(
        val_dataloader=loader, val_cfg=dict(type='ValLoop'), val_evaluator=dict(type='ToyMean'),
        default_hooks=dict(checkpoint=dict(max_keep_ckpts=2, save_best='mean', rule='greater')),
    )  # fmt: skip
    config = toy_config(tmp_path / 'first', 4, **changes)
    Runner.from_cfg(config).train()
    moved = (tmp_path / 'first').rename(tmp_path / 'moved')
    (best,) = (path.name for path in moved.glob('best_*.pth'))
    # the next validation has a better score
    held = read_torch_file(moved / 'iter_4.pth')
    held['message_hub']['runtime_info'].update(best_score=-1e9, validated_iter=4)
    torch.save(held, moved / 'iter_4.pth')
    run(moved, moved / 'iter_4.pth', 6, **changes)
    assert sorted(path.name for path in moved.glob('iter_*.pth')) == ['iter_5.pth', 'iter_6.pth']
    assert [path.name for path in moved.glob('best_*.pth')] == ['best_mean_iter_6.pth'] != [best]


# -- no run ------------------------------------------------------------------------------------------------------------


def without(*path: str) -> Any:
    def change(held: dict[str, Any]) -> Any:
        place = held
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        return held

    return change


def with_value(value: Any, *path: Any) -> Any:
    def change(held: dict[str, Any]) -> Any:
        place = held
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return held

    return change


NO_RUNS: dict[str, tuple[Any, str]] = {
    'a list': (lambda held: [1, 2], 'it contains a list without state_dict'),
    'an int': (lambda held: 3, 'it contains an int'),
    'a tensor': (lambda held: torch.zeros(2), 'it contains a Tensor'),
    'empty': (lambda held: {}, 'it contains an empty dict'),
    'bare weights': (lambda held: held['state_dict'], 'without state_dict'),
    'BasicSR': (lambda held: {'params_ema': held['state_dict']}, 'it contains a dict of params_ema without state_dict'),
    'state_dict of words': (with_value({'a': 'b'}, 'state_dict'), 'entries that are not tensors'),
    'no meta': (without('meta'), 'it contains weights without meta'),
    'empty meta': (with_value({}, 'meta'), 'meta.iter is None, not a count'),
    'iteration in words': (with_value('four', 'meta', 'iter'), "meta.iter is 'four', not a count"),
    'iteration below 0': (with_value(-4, 'meta', 'iter'), 'meta.iter is -4, not a count'),
    'iteration true': (with_value(True, 'meta', 'iter'), 'meta.iter is True, not a count'),
    'iteration a list': (with_value([4], 'meta', 'iter'), r'meta.iter is \[4\], not a count'),
    'no epoch': (without('meta', 'epoch'), 'meta.epoch is None'),
    'seed in words': (with_value('x', 'meta', 'seed'), "meta.seed is 'x'"),
    'seed too large': (with_value(10**20, 'meta', 'seed'), 'meta.seed is 1.*, not a count below 2'),
    'weight without values': (
        with_value(torch.zeros(2, device='meta'), 'state_dict', 'body.2.bias'),
        r'weight body.2.bias has no dense values \(device meta',
    ),
    'sparse average': (
        with_value(torch.ones(2).to_sparse(), 'ema_state_dict', 'module.body.2.bias'),
        'moving average module.body.2.bias has no dense values .*sparse',
    ),
    'sparse moment': (
        with_value(torch.ones(2).to_sparse(), 'optimizer', 'state', 3, 'exp_avg'),
        'optimizer state.3.exp_avg has no dense values',
    ),
    'no hub': (without('message_hub'), 'it has no message_hub'),
    'empty hub': (with_value({}, 'message_hub'), 'message_hub has no log_scalars'),
    'hub without info': (without('message_hub', 'runtime_info'), 'message_hub has no runtime_info'),
    'hub in words': (with_value('hub', 'message_hub'), 'it has no message_hub'),
    'resumed keys in words': (
        with_value('x', 'message_hub', 'resumed_keys', 'iter'),
        "message_hub.resumed_keys has a str for 'iter'",
    ),
    'log in words': (with_value('x', 'message_hub', 'log_scalars', 'train/loss'), "log of 'train/loss' is damaged"),
    'data in words': (with_value('x', 'message_hub', 'runtime_info', 'data_stream'), "position in the data is 'x'"),
    'best in words': (with_value('x', 'message_hub', 'runtime_info', 'best_score'), "best_score is 'x', not a number"),
    'no optimiser': (without('optimizer'), 'no state of the optimizer'),
    'no moment': (without('optimizer', 'state', 2, 'exp_avg'), 'its optimizer lacks exp_avg of parameter 2'),
    'moment None': (with_value(None, 'optimizer', 'state', 1, 'exp_avg_sq'), 'its optimizer lacks exp_avg_sq of param'),
    'moment a number': (
        with_value(1.5, 'optimizer', 'state', 0, 'exp_avg'),
        'its optimizer has a float as exp_avg of parameter 0',
    ),
    'no moments': (with_value({}, 'optimizer', 'state'), 'its optimizer has no moments after 4 iterations'),
    'step NaN': (with_value(math.nan, 'optimizer', 'state', 2, 'step'), 'has the step nan of parameter 2'),
    'step infinite': (with_value(math.inf, 'optimizer', 'state', 2, 'step'), 'has the step inf of parameter 2'),
    'several steps': (with_value(torch.zeros(3), 'optimizer', 'state', 0, 'step'), 'has the step nan of parameter 0'),
    'step below 0': (with_value(torch.tensor(-5.0), 'optimizer', 'state', 2, 'step'), 'has the step -5.0 of'),
}


@pytest.mark.parametrize('name', NO_RUNS)
def test_error_for_a_checkpoint_without_a_run_is_one_line(
    tmp_path: Path, checkpoint: dict[str, Any], name: str
) -> None:
    change, why = NO_RUNS[name]
    torch.save(change(checkpoint), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=why) as caught:
        run(tmp_path / 'work', tmp_path / 'x.pth')
    assert 'cannot resume from' in str(caught.value)
    assert f'load_from={tmp_path / "x.pth"}' in str(caught.value)


def test_auto_resume_skips_checkpoints_without_a_run(tmp_path: Path, checkpoint: dict[str, Any]) -> None:
    torch.save(checkpoint, tmp_path / 'iter_4.pth')
    torch.save(checkpoint['state_dict'], tmp_path / 'iter_5.pth')
    assert newest_checkpoint(tmp_path) == str(tmp_path / 'iter_4.pth')
    torch.save(without('optimizer', 'state', 0, 'exp_avg_sq')(checkpoint), tmp_path / 'iter_6.pth')
    assert newest_checkpoint(tmp_path) == str(tmp_path / 'iter_4.pth')


NO_MOMENTS: dict[str, dict[str, Any]] = {
    'SGD': {'optim_wrapper.optimizer': dict(type='SGD', lr=0.1, _delete_=True)},
    'before the first step': {'optim_wrapper.accumulative_counts': 2},
}


@pytest.mark.parametrize('name', NO_MOMENTS)
def test_run_without_moments_resumes(tmp_path: Path, name: str) -> None:
    config = toy_config(tmp_path / 'first', 2)
    config.merge_from_dict(NO_MOMENTS[name])
    Runner.from_cfg(config).train()
    assert not read_torch_file(tmp_path / 'first' / 'iter_1.pth')['optimizer']['state']
    runner, _ = run(tmp_path / 'work', tmp_path / 'first' / 'iter_1.pth', 3, **NO_MOMENTS[name])
    assert runner.iter == 3


def test_factored_and_frozen_parameters_have_other_moments(tmp_path: Path) -> None:
    optimizer = {'optim_wrapper.optimizer': dict(type='TorchAdafactor', lr=0.1, _delete_=True)}
    config = toy_config(tmp_path / 'first', 1)
    config.merge_from_dict(optimizer)
    Runner.from_cfg(config).train()
    held = read_torch_file(tmp_path / 'first' / 'iter_1.pth')
    del held['optimizer']['state'][0]
    torch.save(held, tmp_path / 'x.pth')
    runner, _ = run(tmp_path / 'work', tmp_path / 'x.pth', 2, **optimizer)
    assert runner.iter == 2


# -- another run -------------------------------------------------------------------------------------------------------


@MODELS.register_module(force=True)
class WiderToy(ToyModel):
    """A toy of another width."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 4))

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        raise AssertionError('no iteration is run')


def moment(held: dict[str, Any], number: int, key: str, value: Any) -> dict[str, Any]:
    held['optimizer']['state'][number][key] = value
    return held


def every_moment(held: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    for moments in held['optimizer']['state'].values():
        moments[key] = value
    return held


OTHERS: dict[str, tuple[Any, dict[str, Any], str]] = {
    'wider network': (
        None, {'model.type': 'WiderToy'}, r'weight body.2.weight is 2 x 3 instead of 4 x 3, and \d+ more'
    ),
    'fewer weights': (without('state_dict', 'body.2.bias'), {}, 'weight body.2.bias is missing'),
    'more weights': (with_value(torch.zeros(1), 'state_dict', 'tail'), {}, 'weight tail is not in the model'),
    'average of another shape': (
        with_value(torch.zeros(9), 'ema_state_dict', 'module.body.2.bias'), {},
        'moving average of module.body.2.bias is 9 instead of 2',
    ),
    'average, no hook': (None, {'custom_hooks': []}, 'moving average .* has no EMAHook'),
    'moment of another shape': (
        lambda held: moment(held, 2, 'exp_avg', torch.zeros(5, 3)), {},
        'exp_avg of body.2.weight is 5 x 3 instead of 2 x 3',
    ),
    'moment of another rank': (
        lambda held: moment(held, 3, 'exp_avg_sq', torch.zeros(2, 1)), {}, 'exp_avg_sq of body.2.bias is 2 x 1'
    ),
    'weight of integers': (
        with_value(torch.zeros(2, dtype=torch.int8), 'state_dict', 'body.2.bias'), {},
        'weight body.2.bias is torch.int8 instead of torch.float32',
    ),
    'complex average': (
        with_value(torch.zeros(2, dtype=torch.complex64), 'ema_state_dict', 'module.body.2.bias'), {},
        'moving average of module.body.2.bias is torch.complex64',
    ),
    'complex moment': (
        lambda held: moment(held, 3, 'exp_avg', torch.full((2,), math.nan, dtype=torch.complex64)), {},
        'exp_avg of body.2.bias is torch.complex64 instead of torch.float32',
    ),
    'all moments numbers': (
        lambda held: every_moment(held, 'exp_avg', 0.5), {}, 'exp_avg of body.0.weight is a float instead of 3'
    ),
    'all moments single values': (
        lambda held: every_moment(held, 'exp_avg', torch.zeros(1)), {},
        'exp_avg of body.0.weight is 1 instead of 3',
    ),
    'all moments gone': (
        lambda held: every_moment(held, 'exp_avg_sq', None), {}, 'exp_avg_sq of body.0.weight is missing'
    ),
    'moment in words': (lambda held: moment(held, 0, 'step', 'x'), {}, 'step of body.0.weight is a str'),
    'state of no parameter': (with_value({}, 'optimizer', 'state', 77), {}, 'there is no parameter for the state 77'),
    'SGD': (
        None, {'optim_wrapper.optimizer': dict(type='SGD', lr=0.1, _delete_=True)}, 'SGD has no option (betas|eps)'
    ),
    'amsgrad': (None, {'optim_wrapper.optimizer.amsgrad': True}, 'amsgrad is False instead of True'),
    'groups': (
        lambda held: with_value(held['optimizer']['param_groups'] * 2, 'optimizer', 'param_groups')(held), {},
        'has 2 groups of parameters instead of 1',
    ),
    'parameters': (
        with_value([0, 1, 2], 'optimizer', 'param_groups', 0, 'params'), {}, '3 parameters instead of 4'
    ),
    'rate in words': (with_value('x', 'optimizer', 'param_groups', 0, 'lr'), {}, "lr is 'x', not a number"),
    'several rates': (
        with_value(torch.zeros(3), 'optimizer', 'param_groups', 0, 'lr'), {}, r'lr is tensor.*, not a number'
    ),
    'no rate': (without('optimizer', 'param_groups', 0, 'lr'), {}, 'group 0: lr is missing'),
    'optimiser a list': (with_value([], 'optimizer'), {}, 'its optimizer is a list'),
}  # fmt: skip


@pytest.mark.parametrize('name', OTHERS)
def test_checkpoint_of_another_run_is_refused_before_loading(
    tmp_path: Path, checkpoint: dict[str, Any], name: str
) -> None:
    change, options, why = OTHERS[name]
    torch.save(change(checkpoint) if change else checkpoint, tmp_path / 'x.pth')
    config = toy_config(tmp_path / 'work', 6, resume=True, load_from=str(tmp_path / 'x.pth'))
    config.merge_from_dict(options)
    runner = Runner.from_cfg(config)
    before: list[Any] = []
    original = runner.load_or_resume

    def remember() -> None:
        before.append(copy.deepcopy(runner.model.state_dict()))
        original()

    runner.load_or_resume = remember  # type: ignore[method-assign]
    with pytest.raises(CheckpointError, match=why):
        runner.train()
    assert all(torch.equal(value, before[0][key]) for key, value in runner.model.state_dict().items())
    assert not runner.optim_wrapper.optimizer.state
    assert not list((tmp_path / 'work').glob('*.pth'))


TORCH: dict[str, dict[str, Any]] = {
    name: {} for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and name not in ('Optimizer', 'LBFGS', 'SparseAdam', 'Muon')
} | {
    'SGD': {'momentum': 0.9}, 'RMSprop': {'momentum': 0.9, 'centered': True}, 'Adam': {'amsgrad': True},
}  # fmt: skip


@pytest.mark.parametrize('name', TORCH)
def test_moments_of_every_torch_optimiser_are_checked(name: str) -> None:
    """The optimiser accepts its own state. It refuses a moment that is missing for all parameters or is a number."""

    def stepped(steps: int) -> torch.optim.Optimizer:
        shapes = [(2, 3), (4,), (1, 5), (3, 2, 1, 1), ()]
        optimizer = getattr(torch.optim, name)([nn.Parameter(torch.rand(shape)) for shape in shapes], **TORCH[name])
        for _ in range(steps):
            for parameter in optimizer.param_groups[0]['params']:
                parameter.grad = torch.rand_like(parameter)
            optimizer.step()
        return optimizer

    state = stepped(2).state_dict()
    fresh = stepped(0)
    assert list(_one_optimizer(state, fresh, {}, 'optimizer')) == []
    tensors = [key for key, value in state['state'][0].items() if isinstance(value, torch.Tensor) and value.numel() > 1]
    assert tensors
    for key in tensors:
        for value, why in [(0.5, 'is a float instead of'), (torch.zeros(()), 'is a single value'), (None, 'missing')]:
            spoilt = copy.deepcopy(state)
            for moments in spoilt['state'].values():
                if key in moments:
                    moments[key] = value
            problems = list(_one_optimizer(spoilt, fresh, {}, 'optimizer'))
            if value is not None or name != 'SGD':
                assert any(f'{key} of parameter 0' in one and why in one for one in problems)


NOT_FINITE: dict[str, Any] = {
    'weight body.2.bias': with_value(torch.tensor([0, math.nan]), 'state_dict', 'body.2.bias'),
    'moving average module.body.2.bias': with_value(
        torch.tensor([math.inf, 0]), 'ema_state_dict', 'module.body.2.bias'
    ),
    'optimizer state.3.exp_avg': lambda held: moment(held, 3, 'exp_avg', torch.tensor([math.nan, 0])),
    'optimizer state.3.exp_avg_sq': lambda held: moment(held, 3, 'exp_avg_sq', torch.tensor([math.inf, 0])),
}


@pytest.mark.parametrize('name', NOT_FINITE)
def test_infinite_or_nan_values_are_not_resumed(tmp_path: Path, checkpoint: dict[str, Any], name: str) -> None:
    torch.save(NOT_FINITE[name](checkpoint), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=f'{name} is infinite or NaN'):
        run(tmp_path / 'work', tmp_path / 'x.pth')


def test_infinite_moments_are_not_saved(tmp_path: Path) -> None:
    class Spoil(CheckpointHook):
        priority = 'HIGHEST'

        def before_train(self, runner: Runner) -> None:
            pass

        def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
            runner.optim_wrapper.optimizer.state_dict()['state'][3]['exp_avg'].fill_(math.inf)

    runner = Runner.from_cfg(toy_config(tmp_path, 2))
    runner.register_hook(Spoil())
    with pytest.raises(NonFiniteError, match=r'optimizer state\.3\.exp_avg is infinite'):
        runner.train()
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize(('iterations', 'finished'), [(4, True), (5, False)])
def test_resumed_finished_run_is_reported(tmp_path: Path, trained: Path, iterations: int, finished: bool) -> None:
    _, said = run(tmp_path / 'work', trained / 'iter_4.pth', iterations)
    assert ('the run has already 4 iterations; raise train_cfg.max_iters' in said) is finished


# -- changed settings --------------------------------------------------------------------------------------------------


def rates(iterations: int, lr: float, horizon: int) -> list[float]:
    """The cosine of the toy, by its closed form."""
    return [0.5 * lr * (1 + math.cos(math.pi * step / horizon)) for step in range(iterations)]


def test_unchanged_settings_have_no_message_and_no_effect(tmp_path: Path, trained: Path) -> None:
    runner, said = run(tmp_path / 'work', trained / 'iter_4.pth')
    assert 'settings of the config' not in said
    assert runner.optim_wrapper.param_groups[0]['lr'] == pytest.approx(rates(7, 0.1, 20)[6], rel=1e-12)


CHANGED: dict[str, tuple[dict[str, Any], float, str]] = {
    'rate': ({'optim_wrapper.optimizer.lr': 0.01}, rates(7, 0.01, 20)[6], r'base_values \[0.1\] -> \[0.01\]'),
    'longer': ({'param_scheduler.0.T_max': 40}, rates(7, 0.1, 40)[6], 'T_max 20 -> 40'),
    'both': (
        {'param_scheduler.0.T_max': 40, 'optim_wrapper.optimizer.lr': 0.2}, rates(7, 0.2, 40)[6], 'T_max 20 -> 40'
    ),
    'no schedule': (
        {'param_scheduler': None, 'optim_wrapper.optimizer.lr': 0.03}, 0.03, 'param_scheduler 0 was removed'
    ),
    'another schedule': (
        {'param_scheduler': [dict(type='MultiStepLR', milestones=[2, 5], by_epoch=False, gamma=0.1, end=1000)]},
        0.1 * 0.1 * 0.1, 'now a MultiStepLR',
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', CHANGED)
def test_changed_schedule_applies_as_from_the_start(tmp_path: Path, trained: Path, name: str) -> None:
    changes, expected, said = CHANGED[name]
    config = toy_config(tmp_path / 'work', 6, resume=True, load_from=str(trained / 'iter_4.pth'))
    for key, value in changes.items():
        if key == 'param_scheduler':
            config.param_scheduler = value
        else:
            config.merge_from_dict({key: value})
    runner = Runner.from_cfg(config)
    messages = Messages()
    runner.logger.addHandler(messages)
    runner.train()
    assert runner.optim_wrapper.param_groups[0]['lr'] == pytest.approx(expected, rel=1e-9)
    (line,) = (line for line in messages.lines if 'settings of the config' in line)
    assert torch.is_tensor(runner.optim_wrapper.optimizer.state_dict()['state'][0]['exp_avg'])
    assert re.search(said, line)


def test_changed_weight_decay_and_betas_apply(tmp_path: Path, trained: Path) -> None:
    changes = {'optim_wrapper.optimizer.weight_decay': 0.25, 'optim_wrapper.optimizer.betas': (0.5, 0.9)}
    runner, said = run(tmp_path / 'work', trained / 'iter_4.pth', **changes)
    group = runner.optim_wrapper.param_groups[0]
    assert (group['weight_decay'], tuple(group['betas'])) == (0.25, (0.5, 0.9))
    assert 'weight_decay 0 -> 0.25' in said
    assert 'betas [0.9, 0.999] -> [0.5, 0.9]' in said


def test_moments_are_kept_if_settings_change(tmp_path: Path, trained: Path, checkpoint: dict[str, Any]) -> None:
    config = toy_config(tmp_path / 'work', 5, resume=True, load_from=str(trained / 'iter_4.pth'))
    config.merge_from_dict({'optim_wrapper.optimizer.lr': 0.0})
    runner = Runner.from_cfg(config)
    runner.train()
    state = runner.optim_wrapper.optimizer.state_dict()['state'][2]
    stored = checkpoint['optimizer']['state'][2]
    assert int(state['step']) == int(stored['step']) + 1


# -- load_from ---------------------------------------------------------------------------------------------------------

FORMS: dict[str, Any] = {
    'state_dict': lambda weights: {'state_dict': weights},
    'bare': lambda weights: weights,
    'params': lambda weights: {'params': weights},
    'params_ema': lambda weights: {'params': {'x': torch.zeros(1)}, 'params_ema': weights},
    'module.': lambda weights: {'state_dict': {f'module.{name}': value for name, value in weights.items()}},
    'compiled': lambda weights: {f'_orig_mod.{name}': value for name, value in weights.items()},
    'of one slot': lambda weights: {name.removeprefix('body.'): value for name, value in weights.items()},
    'params of one slot': lambda weights: {
        'params': {f'module.{name.removeprefix("body.")}': value for name, value in weights.items()}
    },
}


@pytest.mark.parametrize('legacy', [False, True])
@pytest.mark.parametrize('form', FORMS)
def test_load_from_accepts_the_formats_of_other_packages(
    tmp_path: Path, checkpoint: dict[str, Any], form: str, legacy: bool
) -> None:
    torch.save(FORMS[form](checkpoint['state_dict']), tmp_path / 'x.pth', _use_new_zipfile_serialization=not legacy)
    config = toy_config(tmp_path / 'work', 1, load_from=str(tmp_path / 'x.pth'))
    config.optim_wrapper.optimizer.lr = 0.0
    runner = Runner.from_cfg(config)
    messages = Messages()
    runner.logger.addHandler(messages)
    runner.logger.setLevel(logging.INFO)
    runner.train()
    assert torch.equal(runner.model.body[2].weight, checkpoint['state_dict']['body.2.weight'])
    assert any('load_from: 7 of the 7 tensors of the model loaded, of 7 in' in line for line in messages.lines)
    assert not any('do not match exactly' in line for line in messages.lines)
    # test and restore accept the same formats
    model = ToyModel()
    fit_weights(model, load_checkpoint(tmp_path / 'x.pth')['state_dict'], 'x.pth')
    assert torch.equal(model.body[2].weight, checkpoint['state_dict']['body.2.weight'])


MISFITS: dict[str, tuple[Any, str]] = {
    'of another network': (
        lambda weights: {'a': torch.zeros(1), 'b': torch.zeros(2)}, r'0 of its 2 tensors fit \(a is not in'
    ),
    'few': (
        lambda weights: {'body.2.bias': weights['body.2.bias'], **{f'x{n}': torch.zeros(1) for n in range(3)}},
        '1 of its 4 tensors fit',
    ),
    'of another width': (
        lambda weights: {name: torch.zeros(11) for name in weights}, r'body.0.weight is \(11,\) instead of \(3,\)'
    ),
    'no weights': (lambda weights: {'params': {'a': 3}}, 'other values than named weights'),
    'a list': (lambda weights: [1], 'contains no weights .it contains a list.'),
    'integers': (
        lambda weights: {name: value.to(torch.int8) for name, value in weights.items()},
        r'1 of its 7 tensors fit \(body.0.weight is torch.int8 instead of torch.float32',
    ),
    'without values': (
        lambda weights: {name: value.to('meta') for name, value in weights.items()},
        'body.0.weight has no dense values .device meta',
    ),
    'sparse': (lambda weights: weights | {'body.2.bias': torch.ones(2).to_sparse()}, 'body.2.bias has no dense values'),
    'NaN': (lambda weights: weights | {'body.2.bias': torch.tensor([math.nan, 0])}, 'body.2.bias is infinite or NaN'),
}  # fmt: skip


@pytest.mark.parametrize('name', MISFITS)
def test_load_from_without_a_match_is_an_error(tmp_path: Path, checkpoint: dict[str, Any], name: str) -> None:
    change, why = MISFITS[name]
    torch.save(change(checkpoint['state_dict']), tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match=why) as caught:
        run(tmp_path / 'work', tmp_path / 'x.pth', resume=False)
    assert 'x.pth' in str(caught.value)
    assert not list((tmp_path / 'work').glob('*.pth'))


def test_min_loaded_zero_accepts_few_tensors(tmp_path: Path, checkpoint: dict[str, Any]) -> None:
    torch.save(MISFITS['few'][0](checkpoint['state_dict']), tmp_path / 'x.pth')
    _, said = run(tmp_path / 'work', tmp_path / 'x.pth', 1, resume=False, **{'train_cfg.min_loaded': 0})
    assert '1 of the 7 tensors of the model loaded, of 4 in' in said
    assert 'not loaded, initialised by the config: body (6)' in said


def test_file_that_fits_two_slots_equally_is_refused() -> None:
    own = {'eyes.w': torch.zeros(2), 'nose.w': torch.zeros(2), 'lips.w': torch.zeros(3)}
    with pytest.raises(CheckpointError, match='x fits eyes and nose equally well'):
        placed({'w': torch.zeros(2)}, own, 'x')
    assert placed({'w': torch.zeros(3)}, own, 'x').keys() == {'lips.w'}
    assert placed({'other': torch.zeros(3)}, own, 'x').keys() == {'other'}


def test_moving_average_of_other_packages_is_preferred() -> None:
    held = unwrapped({'params': {'a': torch.zeros(1)}, 'params_ema': {'a': torch.ones(1)}, 'iter': 3}, 'x')
    assert held == {'meta': {}, 'iter': 3, 'state_dict': {'a': torch.ones(1)}}


# -- init_cfg ----------------------------------------------------------------------------------------------------------


class Slot(BaseModule):
    """A layer with weights from a file."""

    def __init__(self, **init: Any) -> None:
        super().__init__({'type': 'Pretrained', **init})
        self.layer = nn.Linear(3, 2)


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    layer = {'generator.layer.weight': torch.ones(2, 3), 'generator.layer.bias': torch.ones(2)}
    torch.save({'state_dict': {**layer, 'parser.deep.weight': torch.ones(1)}}, tmp_path / 'w.pth')
    return tmp_path / 'w.pth'


@pytest.mark.parametrize('prefix', ['generator', 'generator.'])
def test_prefix_of_an_init_cfg_is_applied(weights_file: Path, prefix: str) -> None:
    slot = Slot()
    Pretrained(str(weights_file), prefix)(slot)
    assert torch.equal(slot.layer.weight, torch.ones(2, 3))


@pytest.mark.parametrize(
    ('prefix', 'why'),
    [
        ('generatr.', r"has no weights under 'generatr\.' \(did you mean 'generator'\?\); it has generator, parser"),
        ('parser.', r"0 of its 1 tensors fit \(deep.weight is not in the network\).*; prefix='generator' fits"),
        (None, r"init_cfg of Slot: .*0 of its 3 tensors fit.*; prefix='generator' fits"),
    ],
)
def test_init_cfg_without_a_match_is_an_error(weights_file: Path, prefix: str | None, why: str) -> None:
    slot = Slot()
    before = slot.layer.weight.clone()
    with pytest.raises(CheckpointError, match=why):
        Pretrained(str(weights_file), prefix)(slot)
    assert torch.equal(slot.layer.weight, before)


def test_run_uses_this_initialiser(tmp_path: Path, weights_file: Path) -> None:
    config = toy_config(tmp_path / 'work', 1)
    config.model.init_cfg = dict(type='Pretrained', checkpoint=str(weights_file), prefix='generatr.')
    with pytest.raises(CheckpointError, match="did you mean 'generator'"):
        Runner.from_cfg(config).train()

"""The hook warns once of each part of a training without effect, and does not change the training."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from narrow import narrow
from test_engine_resume import assert_same_end
from torch import Tensor, nn
from toy import toy_config

from rainrestore.engine import TrainingWatchHook
from rainrestore.engine.config import load_config
from rainrestore.models.inspection import gradient_norms, gradient_shares, mean_weights, relative_spread
from rainrestore.registry import MODELS

ROOT = Path(__file__).parents[1]


@MODELS.register_module(force=True)
class WatchedToy(BaseModel):
    """Two slots and two losses; options make one of them useless."""

    def __init__(
        self,
        second_weight: float = 1.0,
        constant: bool = False,
        wins: tuple[float, ...] = (),
        dying: bool = False,
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(3, 4)
        self.second_weight, self.constant, self.wins, self.dying = second_weight, constant, wins, dying
        self.steps, self.slope = 0, slope
        if constant:
            nn.init.zeros_(self.second.weight)

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        x = torch.stack(list(inputs))
        first, second = self.first(x), self.second(x)
        # A weight of 0 does not change, because only the bias has a gradient.
        target = second if not self.constant else second - self.second(torch.zeros(3)) + self.second.bias
        return {
            'loss_first': first.square().mean()
            if not self.dying
            else self.first.bias.square().mean() + 0 * first.mean(),
            'loss_second': self.second_weight * target.square().mean(),
        }

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        log = super().train_step(data, optim_wrapper)
        if self.constant:
            nn.init.zeros_(self.second.weight)
        if self.wins:
            log['accuracy_eyes'] = torch.tensor(self.wins[min(self.steps, len(self.wins) - 1)])
            log['slope_eyes'] = torch.tensor(self.slope)
        self.steps += 1
        return log


class Collected(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith('iteration '):
            self.messages.append(message)


def watch(folder: Path, iterations: int, model: dict[str, Any], lr: float = 1e-3, **options: Any) -> list[str]:
    """The warnings of a training."""
    hook = dict(type='TrainingWatchHook', **{'interval': 1, 'gradient_interval': 1, **options.pop('hook', {})})
    optimizer = dict(type='SGD', lr=lr, **options.pop('optimizer', {}))
    config = toy_config(folder, iterations, **{'optim_wrapper.optimizer': optimizer, 'custom_hooks': [hook], **options})
    config.model = dict(type='WatchedToy', **model)
    config.param_scheduler, config.log_level = [], 'WARNING'
    runner = Runner.from_cfg(config)
    collected = Collected()
    runner.logger.addHandler(collected)
    runner.train()
    return collected.messages


def test_normal_run_has_no_warnings(tmp_path: Path) -> None:
    assert watch(tmp_path, 8, {}, hook=dict(wins=2)) == []


def test_weights_that_fall_to_zero_are_warned_of(tmp_path: Path) -> None:
    torch.manual_seed(0)
    # 1 - lr * decay = 0.4 in each step: below 0.01 after the sixth step.
    messages = watch(
        tmp_path, 8, dict(dying=True), 0.1, optimizer=dict(weight_decay=6.0), hook=dict(gradient_interval=99)
    )
    of_layer = [message for message in messages if 'weights of first ' in message]
    assert len(of_layer) == 1
    assert of_layer[0].startswith('iteration 6: ')
    size, initial = (float(part.split()[-1].rstrip(',')) for part in of_layer[0].split(' at the start')[0].split(', '))
    assert size / initial == pytest.approx(0.4**6, rel=0.05)


def test_constant_output_is_warned_of(tmp_path: Path) -> None:
    messages = watch(tmp_path, 4, dict(constant=True))
    assert messages == [
        'iteration 1: the output of second is the same for all samples of the batch (relative spread 0.0e+00)'
    ]


@pytest.mark.parametrize(
    ('accuracies', 'warned'),
    [((1.0,), ['iteration 3']), ((1.0, 1.0, 0.97, 1.0, 1.0, 0.97), []), ((0.5, 1.0), ['iteration 4'])],
)
def test_winning_discriminator_is_warned_of(tmp_path: Path, accuracies: tuple[float, ...], warned: list[str]) -> None:
    messages = watch(tmp_path, 6, dict(wins=accuracies), hook=dict(wins=3))
    assert [message.partition(':')[0] for message in messages] == warned
    assert all('discriminator eyes has an accuracy of 1.0 for 3 consecutive steps' in message for message in messages)


def test_saturated_discriminator_is_warned_of(tmp_path: Path) -> None:
    messages = watch(tmp_path, 4, dict(wins=(0.5,), slope=5e-5))
    assert messages == [
        'iteration 1: the discriminator eyes is saturated (slope 5.0e-05): the generator gets no gradient from it'
    ]


@pytest.mark.parametrize(('weight', 'expected'), [(1e-4, True), (1e-2, False)])
def test_loss_term_without_gradient_is_warned_of(tmp_path: Path, weight: float, expected: bool) -> None:
    messages = watch(tmp_path, 3, dict(second_weight=weight))
    assert [message.partition(' has')[0] for message in messages] == ['iteration 1: loss_second'] * expected


def test_resumed_run_keeps_sizes_and_warnings(tmp_path: Path) -> None:
    decay = dict(lr=0.1, optimizer=dict(weight_decay=6.0), hook=dict(gradient_interval=99))
    whole = watch(tmp_path / 'whole', 8, dict(dying=True), **decay)
    for stop in (3, 7):
        resumed = dict(resume=True, load_from=str(tmp_path / 'whole' / f'iter_{stop}.pth'))
        again = watch(tmp_path / f'from_{stop}', 8, dict(dying=True), **decay, **resumed)
        of_layer = [message for message in again if 'weights of first ' in message]
        assert of_layer == [message for message in whole if 'weights of first ' in message and stop < 6]


def test_hook_does_not_change_the_toy_training(tmp_path: Path) -> None:
    Runner.from_cfg(toy_config(tmp_path / 'without', 4)).train()
    config = toy_config(tmp_path / 'with', 4)
    config.custom_hooks.append(dict(type='TrainingWatchHook', interval=1, gradient_interval=1))
    Runner.from_cfg(config).train()
    assert_same_end(tmp_path / 'without', tmp_path / 'with', 4)


@pytest.mark.parametrize('name', ['fcg_gan_x4', 'fpm_x4'])
def test_hook_does_not_change_the_training_of_a_restorer(tmp_path: Path, name: str) -> None:
    pytest.importorskip('mmagic')

    def run(folder: Path, hooks: list[dict[str, Any]]) -> Runner:
        loader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(limit=4))
        options = dict(
            train_dataloader=loader,
            train_cfg=dict(max_iters=3),
            default_hooks=dict(logger=dict(interval=1), checkpoint=dict(interval=3)),
            visualizer=dict(vis_backends=[dict(type='LocalVisBackend')]),
        )
        config = load_config(ROOT / 'configs' / f'{name}.py', options)
        config.merge_from_dict(dict(model=narrow(config.model)))
        config.merge_from_dict(dict(work_dir=str(folder), experiment_name=f'{name}_{folder.name}'))
        config.val_dataloader = config.val_cfg = config.val_evaluator = None
        config.param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, T_max=9)]
        config.custom_hooks = [*hooks, dict(type='EMAHook')]
        runner = Runner.from_cfg(config)
        runner.train()
        return runner

    run(tmp_path / 'without', [])
    runner = run(tmp_path / 'with', [dict(type='TrainingWatchHook', interval=1, gradient_interval=1, wins=1)])
    assert_same_end(tmp_path / 'without', tmp_path / 'with', 3)
    # The hook does not change the model.
    assert 'parse_losses' not in vars(runner.model)
    assert not any(part._forward_hooks for part in runner.model.modules())


def test_every_training_has_the_hook() -> None:
    config = load_config(ROOT / 'configs' / 'fcg_gan_x4.py')
    assert dict(type='TrainingWatchHook') in config.custom_hooks


def test_invalid_options_are_refused() -> None:
    with pytest.raises(ValueError, match='gradient_interval must be at least 1, got 0'):
        TrainingWatchHook(gradient_interval=0)


def test_gradient_norms_of_known_losses_are_exact() -> None:
    x, y = torch.ones(4, requires_grad=True), torch.ones(2, requires_grad=True)
    losses = {'a': 3 * x.sum(), 'b': (x**2).sum() + y.sum(), 'c': torch.tensor(1.0)}
    found = gradient_norms(losses, {'x': [x], 'y': [y], 'all': [x, y]})
    assert found['a'] == pytest.approx({'x': 6.0, 'y': 0.0, 'all': 6.0})
    assert found['b'] == pytest.approx({'x': 4.0, 'y': 2**0.5, 'all': 18**0.5})
    assert found['c'] == {'x': 0.0, 'y': 0.0, 'all': 0.0}
    assert x.grad is None
    (losses['a'] + losses['b']).backward()  # the graph is not freed
    assert gradient_shares({'a': 3.0, 'b': 1.0}) == {'a': 0.75, 'b': 0.25}
    assert gradient_shares({'a': 0.0}) == {'a': 0.0}


def test_weight_size_does_not_change_a_spectral_norm() -> None:
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    size = mean_weights({'layer': layer})['layer']
    assert size == pytest.approx(float(before['parametrizations.weight.original'].abs().mean()))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_relative_spread_equals_its_definition() -> None:
    assert relative_spread(torch.tensor([[2.0, -4.0], [2.0, -3.0]])) == pytest.approx(0.25)
    assert relative_spread(torch.zeros(2, 3)) == 0

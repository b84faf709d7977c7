"""A hook that warns about parts of a training without effect."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from rainrestore.engine.processes import bare
from rainrestore.models.inspection import (
    CONSTANT_SPREAD,
    SMALL_WEIGHT,
    gradient_norms,
    gradient_shares,
    mean_weights,
    named_tensors,
    relative_spread,
    slot_modules,
    weighted_layers,
)
from rainrestore.registry import HOOKS

#: Keys of the hook in the message hub, which is part of every checkpoint.
SIZES, WARNED = 'watch_initial_weights', 'watch_warned'
#: A loss term counts as without effect if its gradient norm is below this fraction of the sum over the terms.
NEGLIGIBLE_SHARE = 1e-3
#: Below this slope of the adversarial loss a discriminator counts as saturated.
SATURATED_SLOPE = 1e-4
#: Name of a part, and the warning about it.
Finding = tuple[str, str]
ACCURACY, SLOPE = 'accuracy_', 'slope_'


@HOOKS.register_module()
class TrainingWatchHook(Hook):
    """Warn about parts of a training without effect, once per part and run (also in a resumed run).

    - A layer (convolution or linear) whose mean absolute weight is below 1/100 of its value at the start of the run.
    - An output of a slot that is equal for all samples of the batch: its
      :func:`~rainrestore.models.inspection.relative_spread` is at most 1e-3.
    - A discriminator that is too strong: its ``accuracy_NAME``, as logged by
      :class:`~rainrestore.models.restorers.AdversarialRestorer`, is 1.0 for ``wins`` consecutive steps; or that is
      saturated: its ``slope_NAME`` is below 1e-4.
    - A loss term whose gradient norm (L2, over all trained weights) is below 1/1000 of the sum over the terms.

    The hook does not change the training: it draws no random numbers, and computes the gradients of the terms in the
    graph of the training step, before its backward pass.

    Args:
        interval: Iterations between two checks of weights and outputs.
        gradient_interval: Iterations between two checks of the loss terms; a check takes one backward pass per term.
        wins: Number of consecutive steps with an accuracy of 1.0 after which a discriminator counts as too strong.

    Raises:
        ValueError: An argument below 1.
    """

    def __init__(self, interval: int = 100, gradient_interval: int = 1000, wins: int = 100) -> None:
        for name, value in (('interval', interval), ('gradient_interval', gradient_interval), ('wins', wins)):
            if value < 1:
                raise ValueError(f'TrainingWatchHook: {name} must be at least 1, got {value}')
        self.interval = interval
        self.gradient_interval = gradient_interval
        self.wins = wins
        self._layers: dict[str, nn.Module] = {}
        self._won: dict[str, int] = {}
        self._spread: dict[str, float] = {}
        self._shares: dict[str, float] = {}
        self._observing = ExitStack()

    def before_train(self, runner: Runner) -> None:
        """Store the mean absolute weight of each trained layer, except in a resumed run."""
        layers = weighted_layers(bare(runner.model))
        self._layers = {
            name: layer for name, layer in layers.items() if any(each.requires_grad for each in layer.parameters())
        }
        hub = runner.message_hub
        if runner.iter == 0 or hub.get_info(SIZES) is None:
            hub.update_info(SIZES, mean_weights(self._layers))
            hub.update_info(WARNED, [])

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Register the observers of this iteration."""
        model, iteration = bare(runner.model), runner.iter + 1
        if iteration % self.interval == 0 and (count := _samples(data_batch)) > 1:
            for name, part in slot_modules(model).items():
                self._observing.enter_context(part.register_forward_hook(partial(self._observe_output, name, count)))
        if iteration % self.gradient_interval == 0:
            self._observe_losses(model)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Warn about the observations."""
        self._observing.close()
        self._warn(runner, self._useless_losses())
        self._warn(runner, self._constant_outputs())
        if (runner.iter + 1) % self.interval == 0:
            self._warn(runner, self._vanishing_layers(runner.message_hub.get_info(SIZES)))
        self._warn(runner, self._useless_discriminators(outputs or {}))

    def leave_train(self, runner: Runner) -> None:
        """Remove the observers, also after an error in the middle of an iteration."""
        self._observing.close()

    def _useless_losses(self) -> Iterator[Finding]:
        for name, share in self._shares.items():
            if share < NEGLIGIBLE_SHARE:
                problem = f'{name} has {share:.1e} of the gradient norm of all loss terms'
                yield f'loss {name}', f'{problem}: raise its weight or remove the term'
        self._shares = {}

    def _constant_outputs(self) -> Iterator[Finding]:
        for name, spread in self._spread.items():
            if spread <= CONSTANT_SPREAD:
                problem = f'the output of {name} is the same for all samples of the batch'
                yield f'output {name}', f'{problem} (relative spread {spread:.1e})'
        self._spread = {}

    def _vanishing_layers(self, initial: Mapping[str, float]) -> Iterator[Finding]:
        for name, size in mean_weights(self._layers).items():
            before = initial.get(name, 0.0)
            if size < SMALL_WEIGHT * before:
                sizes = f'mean absolute value {size:.1e}, {before:.1e} at the start of the run'
                yield f'layer {name}', f'the weights of {name} approach zero: {sizes}; lower its weight_decay'

    def _useless_discriminators(self, log: Mapping[str, Any]) -> Iterator[Finding]:
        for key, value in log.items():
            if key.startswith(ACCURACY):
                name = key.removeprefix(ACCURACY)
                self._won[name] = self._won.get(name, 0) + 1 if float(value) >= 1 else 0
                if self._won[name] >= self.wins:
                    problem = f'has an accuracy of 1.0 for {self._won[name]} consecutive steps: it is too strong'
                    advice = 'train it less often (generator_steps) or with a lower learning rate'
                    yield f'accuracy {name}', f'the discriminator {name} {problem}; {advice}'
            elif key.startswith(SLOPE) and float(value) < SATURATED_SLOPE:
                name = key.removeprefix(SLOPE)
                problem = f'the discriminator {name} is saturated (slope {float(value):.1e})'
                yield f'slope {name}', f'{problem}: the generator gets no gradient from it'

    def _observe_output(self, slot: str, count: int, module: nn.Module, inputs: Any, output: Any) -> None:
        """A forward hook of a slot, for a batch of ``count`` samples."""
        for part, values in named_tensors(output).items():
            if values.dim() and len(values) == count and values.is_floating_point():
                name = f'{slot}.{part}' if part else slot
                # The largest of several calls, such as those of a discriminator for true and restored faces.
                self._spread[name] = max(self._spread.get(name, 0.0), relative_spread(values))

    def _observe_losses(self, model: Any) -> None:
        """Measure the gradients of the first parsed losses (the losses of the generator), before the backward pass."""
        parse = model.parse_losses

        def measure_and_parse(losses: Mapping[str, Any]) -> Any:
            model.parse_losses = parse
            terms = {key: _scalar(value) for key, value in losses.items() if 'loss' in key}
            if len(terms) > 1:
                weights = [weight for weight in model.parameters() if weight.requires_grad]
                norms = gradient_norms(terms, {'all': weights})
                self._shares = gradient_shares({name: found['all'] for name, found in norms.items()})
            return parse(losses)

        model.parse_losses = measure_and_parse
        # Removing the attribute of the instance restores the method of the class.
        self._observing.callback(vars(model).pop, 'parse_losses', None)

    @staticmethod
    def _warn(runner: Runner, findings: Iterable[Finding]) -> None:
        """Log each finding once per run."""
        for what, message in findings:
            warned = runner.message_hub.get_info(WARNED)
            if what not in warned:
                runner.message_hub.update_info(WARNED, [*warned, what])
                runner.logger.warning('iteration %d: %s', runner.iter + 1, message)


def _samples(data_batch: Any) -> int:
    """The number of samples in a batch; 0 if it is unknown."""
    inputs = data_batch.get('inputs') if isinstance(data_batch, Mapping) else None
    return len(inputs) if isinstance(inputs, (Sequence, Tensor)) else 0


def _scalar(loss: Any) -> Tensor:
    """Reduce a loss as mmengine does: the mean of a tensor, or the sum of the means of a list."""
    return loss.mean() if isinstance(loss, Tensor) else sum(part.mean() for part in loss)

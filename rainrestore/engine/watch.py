"""A hook that warns of parts of a training without effect."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from rainrestore.models.inspection import (
    CONSTANT_SPREAD,
    DEAD_WEIGHT,
    gradient_norms,
    gradient_shares,
    mean_weights,
    named_tensors,
    relative_spread,
    slot_modules,
    weighted_layers,
)
from rainrestore.registry import HOOKS

#: Key of the hook in the message hub, and so in every checkpoint.
SIZES, WARNED = 'watch_initial_weights', 'watch_warned'
#: Below this share of the sum of the gradient norms a loss term counts as without effect.
NEGLIGIBLE_SHARE = 1e-3
#: A slope of the adversarial loss below this leaves the generator without a gradient.
SATURATED_SLOPE = 1e-4
ACCURACY, SLOPE = 'accuracy_', 'slope_'


@HOOKS.register_module()
class TrainingWatchHook(Hook):
    """Warn of parts of a training without effect, once for each part and run, also after a resume.

    - A layer (convolution or linear) whose mean absolute weight has fallen below 1/100 of that at the start of the run.
    - An output of a slot that is the same for all samples of the batch: its
      :func:`~rainrestore.models.inspection.relative_spread` is at most 1e-3.
    - A discriminator that wins: its ``accuracy_NAME``, as logged by
      :class:`~rainrestore.models.restorers.AdversarialRestorer`, is 1.0 for ``wins`` of its steps in a row; or one that
      is saturated: its ``slope_NAME`` is below 1e-4.
    - A loss term whose gradient, for all weights that the step trains, has less than 1/1000 of the sum of the terms'
      L2 norms.

    The training is not changed: nothing is drawn at random, and the gradients of the terms are taken from the graph of
    the training step, before its own backward pass.

    Args:
        interval: Iterations between two looks at weights and outputs.
        gradient_interval: Iterations between two looks at the loss terms, each of which takes a backward pass a term.
        wins: Steps in a row after which a discriminator with an accuracy of 1.0 counts as winning.

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
        self._looking = ExitStack()

    def before_train(self, runner: Runner) -> None:
        """Note the size of each trained layer, if this run is not a resumed one."""
        layers = weighted_layers(_restorer(runner))
        self._layers = {
            name: layer for name, layer in layers.items() if any(each.requires_grad for each in layer.parameters())
        }
        hub = runner.message_hub
        if runner.iter == 0 or hub.get_info(SIZES) is None:
            hub.update_info(SIZES, mean_weights(self._layers))
            hub.update_info(WARNED, [])

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Prepare to observe this iteration."""
        model, iteration = _restorer(runner), runner.iter + 1
        if iteration % self.interval == 0 and (count := _samples(data_batch)) > 1:
            for name, part in slot_modules(model).items():
                self._looking.enter_context(part.register_forward_hook(self._look_at_output(name, count)))
        if iteration % self.gradient_interval == 0:
            self._look_at_losses(model)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Warn about the observations."""
        self._looking.close()
        iteration = runner.iter + 1
        for name, share in self._shares.items():
            if share < NEGLIGIBLE_SHARE:
                self._warn(
                    runner, f'loss {name}',
                    f'{name} has {share:.1e} of the gradient norm of all loss terms: raise its weight or drop the term',
                )  # fmt: skip
        for name, spread in self._spread.items():
            if spread <= CONSTANT_SPREAD:
                self._warn(
                    runner, f'output {name}',
                    f'the output of {name} is the same for all samples of the batch (relative spread {spread:.1e})',
                )  # fmt: skip
        self._shares, self._spread = {}, {}
        if iteration % self.interval == 0:
            self._look_at_weights(runner)
        self._look_at_discriminators(runner, outputs or {})

    def leave_train(self, runner: Runner) -> None:
        """Leave the model as it was, also after an error in the middle of an iteration."""
        self._looking.close()

    def _look_at_weights(self, runner: Runner) -> None:
        initial = runner.message_hub.get_info(SIZES)
        for name, size in mean_weights(self._layers).items():
            before = initial.get(name, 0.0)
            if size < DEAD_WEIGHT * before:
                self._warn(
                    runner, f'layer {name}',
                    f'the weights of {name} fall to zero: mean absolute value {size:.1e}, {before:.1e} at the start '
                    'of the run; lower weight_decay for it',
                )  # fmt: skip

    def _look_at_discriminators(self, runner: Runner, log: Mapping[str, Any]) -> None:
        for key, value in log.items():
            if key.startswith(ACCURACY):
                name = key.removeprefix(ACCURACY)
                self._won[name] = self._won.get(name, 0) + 1 if float(value) >= 1 else 0
                if self._won[name] >= self.wins:
                    self._warn(
                        runner, f'accuracy {name}',
                        f'the discriminator {name} has an accuracy of 1.0 for {self._won[name]} steps in a row: it '
                        'always wins; train it less often (generator_steps) or at a lower learning rate',
                    )  # fmt: skip
            elif key.startswith(SLOPE) and float(value) < SATURATED_SLOPE:
                name = key.removeprefix(SLOPE)
                self._warn(
                    runner, f'slope {name}',
                    f'the discriminator {name} is saturated (slope {float(value):.1e}): it gives the generator no '
                    'gradient',
                )  # fmt: skip

    def _look_at_output(self, slot: str, count: int) -> Any:
        def look(module: nn.Module, given: Any, output: Any) -> None:
            for part, values in named_tensors(output).items():
                if values.dim() and len(values) == count and values.is_floating_point():
                    name = f'{slot}.{part}' if part else slot
                    # Of several calls, as of a discriminator on true and restored faces, the largest counts.
                    self._spread[name] = max(self._spread.get(name, 0.0), relative_spread(values))

        return look

    def _look_at_losses(self, model: Any) -> None:
        """Measure the losses of the generator, which the iteration parses first, before their backward pass."""
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
        # The instance's attribute hides the method of the class until it is removed.
        self._looking.callback(vars(model).pop, 'parse_losses', None)

    @staticmethod
    def _warn(runner: Runner, what: str, message: str) -> None:
        """Once a run."""
        warned = runner.message_hub.get_info(WARNED)
        if what not in warned:
            runner.message_hub.update_info(WARNED, [*warned, what])
            runner.logger.warning('iteration %d: %s', runner.iter + 1, message)


def _restorer(runner: Runner) -> Any:
    # Several processes wrap it.
    return getattr(runner.model, 'module', runner.model)


def _samples(data_batch: Any) -> int:
    """How many samples a batch has; 0 if it does not say."""
    inputs = data_batch.get('inputs') if isinstance(data_batch, Mapping) else None
    return len(inputs) if isinstance(inputs, (Sequence, Tensor)) else 0


def _scalar(loss: Any) -> Tensor:
    """As mmengine sums a loss: the mean of a tensor, the sum of the means of a list."""
    return loss.mean() if isinstance(loss, Tensor) else sum(part.mean() for part in loss)

"""A hook that prepares mmagic's metrics before a validation or test."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from rainrestore.engine.processes import bare
from rainrestore.registry import HOOKS


@HOOKS.register_module()
class PrepareMetricsHook(Hook):
    """Call ``prepare_metrics`` of the evaluator before each validation or test, as mmagic's loops do.

    It is required for metrics that need the network or all true images in advance, such as mmagic's FID.
    """

    def before_val(self, runner: Runner) -> None:
        """Prepare the metrics of the validation."""
        self._prepare(runner, runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Prepare the metrics of the test."""
        self._prepare(runner, runner.test_loop)

    @staticmethod
    def _prepare(runner: Runner, loop: Any) -> None:
        prepare = getattr(loop.evaluator, 'prepare_metrics', None)
        if prepare is not None:
            prepare(bare(runner.model), loop.dataloader)

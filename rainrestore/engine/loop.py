"""A training loop that can resume at every iteration."""

from collections.abc import Generator
from itertools import count
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_rank, get_world_size
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import nn
from torch.utils.data import DataLoader

from rainrestore.checkpoints import LEAST_SHARE
from rainrestore.datasets.sampling import ResumableSampler, derive_seed, seed_generators
from rainrestore.engine.resuming import CompareCheckpointHook
from rainrestore.engine.run_state import SIZE, STREAM, VALIDATED
from rainrestore.errors import ConfigError
from rainrestore.registry import LOOPS

#: A batch may be larger than the training set, and repeat faces in other rain, up to this size: the largest batch of
#: the configs of this package.
LARGEST_REPEATING = 64


@LOOPS.register_module()
class ResumableTrainLoop(BaseLoop):
    """An iteration-based training loop that gives the same weights with and without interruptions.

    Differences from mmengine's ``IterBasedTrainLoop``:

    - Each iteration seeds the random generators of Python, numpy and torch with (seed, iteration, rank), each sample
      with (seed, position). So seed, iteration and position in a checkpoint determine all random states. Validations
      and the number of workers have no effect on them.
    - With :class:`~rainrestore.datasets.ResumableSampler` a resumed run starts at its position without reading earlier
      samples. With another sampler the earlier batches are read again, and random transforms draw other values.
    - A validation that was due at the iteration of the checkpoint but not finished runs first.
    - A checkpoint is compared with the run before it is loaded (:class:`~rainrestore.engine.CompareCheckpointHook`).
    - Hooks may have a method ``leave_train``, which is called at the end of the training, also after an error.

    Args:
        runner: The runner of the training.
        dataloader: The data loader or its config.
        max_iters: Last iteration.
        val_interval: Iterations between validations; the last iteration is also followed by a validation.
        val_begin: No validation before this iteration.
        min_loaded: Least fraction of the tensors of the ``load_from`` file that must fit the model, 0 to 1.

    Raises:
        ConfigError: The batch size is more than 64 and more than the size of the data set, or the data set has no whole
            batch.
    """

    #: The whole training counts as one epoch.
    max_epochs = 1

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict[str, Any],
        max_iters: int,
        val_interval: int = 1000,
        val_begin: int = 1,
        min_loaded: float = LEAST_SHARE,
    ) -> None:
        if isinstance(dataloader, dict):
            seeded = {'type': 'rainrestore.SeededSamples', 'dataset': dataloader['dataset']}
            dataloader = {**dataloader, 'dataset': seeded}
        super().__init__(runner, dataloader)
        self._check_batch_size()
        self.val_interval = val_interval
        self.val_begin = val_begin
        #: Set by hooks to end the training after this iteration.
        self.stop_training = False
        self.max_iters = max_iters
        runner.register_hook(CompareCheckpointHook(min_loaded))
        # mmengine's Runner sets both when it resumes a run.
        self._iter = 0
        self._epoch = 0
        runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)

    def _check_batch_size(self) -> None:
        loader, size = self.dataloader, len(self.dataloader.dataset)
        batch = loader.batch_size or 1
        if isinstance(loader.sampler, (ResumableSampler, InfiniteSampler)):
            most = max(size, LARGEST_REPEATING)
            if batch > most:
                raise ConfigError(
                    f'train_dataloader.batch_size: {batch} is more than the {size} faces of the training set, so that '
                    f'each batch would repeat them; use at most {most}'
                )
        elif not len(loader):
            raise ConfigError(
                f'train_dataloader.drop_last: the {size} faces of the training set are less than a batch of {batch}; '
                'use a smaller batch_size'
            )

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return self._epoch

    @property
    def iter(self) -> int:
        """Number of finished iterations."""
        return self._iter

    def run(self) -> nn.Module:
        """Train from the current to the last iteration and return the model."""
        runner, batches = self.runner, self._batches()
        try:
            runner.call_hook('before_train')
            runner.call_hook('before_train_epoch')
            if 0 < self.max_iters <= self._iter:
                runner.logger.warning(
                    'the run has already %d iterations; raise train_cfg.max_iters to continue', self._iter
                )
            if self._validation_is_due() and runner.message_hub.get_info(VALIDATED) != self._iter:
                self._validate()
            while self._iter < self.max_iters and not self.stop_training:
                runner.model.train()
                self.run_iter(next(batches))
                if not self.stop_training and self._validation_is_due():
                    self._validate()
            runner.call_hook('after_train_epoch')
            runner.call_hook('after_train')
        finally:
            batches.close()
            runner.call_hook('leave_train')
        return runner.model

    def run_iter(self, data_batch: Any) -> None:
        """Run one iteration with its hooks."""
        runner = self.runner
        # After the batch is fetched, because creating the iterator of a DataLoader draws from torch's generator.
        seed_generators(derive_seed('iteration', runner.seed, self._iter, get_rank()))
        runner.call_hook('before_train_iter', batch_idx=self._iter, data_batch=data_batch)
        outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        self._count_samples()
        runner.call_hook('after_train_iter', batch_idx=self._iter, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _batches(self) -> Generator[Any, None, None]:
        """Endless batches, from the position of the checkpoint."""
        sampler, hub = self.dataloader.sampler, self.runner.message_hub
        size = len(self.dataloader.dataset)
        before = hub.get_info(SIZE) if self._iter else None
        if before not in (None, size):
            self.runner.logger.warning(
                'resume: the training set has %d faces, at the checkpoint it had %d; their order changes', size, before
            )
        hub.update_info(SIZE, size)
        if isinstance(sampler, ResumableSampler):
            # A checkpoint of another loop has no position; it is computed from the iteration. At iteration 0 the entry
            # is ignored, because an earlier run in this process may have left it.
            drawn = self._iter * self.dataloader.batch_size * get_world_size()
            stream = (hub.get_info(STREAM) if self._iter else None) or {'seed': sampler.seed, 'drawn': drawn}
            sampler.seed, sampler.start = stream['seed'], stream['drawn']
            hub.update_info(STREAM, stream)
            yield from self.dataloader
        skip = self._iter
        if skip:
            self.runner.logger.warning(
                '%s cannot start at a position: %d batches are read again, and random transforms draw other values; '
                'set train_dataloader.sampler to ResumableSampler for an exact resume', type(sampler).__name__, skip,
            )  # fmt: skip
        for number in count():
            if hasattr(sampler, 'set_epoch'):
                sampler.set_epoch(number)
            for batch in self.dataloader:
                if skip:
                    skip -= 1
                else:
                    yield batch

    def _count_samples(self) -> None:
        hub = self.runner.message_hub
        stream = hub.get_info(STREAM)
        if stream is not None:
            drawn = stream['drawn'] + self.dataloader.batch_size * get_world_size()
            hub.update_info(STREAM, {**stream, 'drawn': drawn})

    def _validation_is_due(self) -> bool:
        done = self._iter
        return (
            self.runner.val_loop is not None
            and done >= max(self.val_begin, 1)
            and (done % self.val_interval == 0 or done == self.max_iters)
        )

    def _validate(self) -> None:
        # Set before the run, because the hooks save a checkpoint at its end.
        self.runner.message_hub.update_info(VALIDATED, self._iter)
        self.runner.val_loop.run()

"""A training of seconds with every source of random numbers: a model with dropout on random samples."""

import random
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import Tensor, nn

from rainrestore.registry import DATASETS, METRICS, MODELS

SIZE = 7


@DATASETS.register_module(force=True)
class ToyNoise(torch.utils.data.Dataset):
    """Samples of their index plus random numbers of Python, numpy and torch; samples in ``bad`` are NaN."""

    def __init__(self, bad: tuple[int, ...] = ()) -> None:
        self.bad = bad

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> dict[str, Any]:
        drawn = random.random() + np.random.normal() + torch.rand(3).double()
        value = float('nan') if index in self.bad else 1.0
        return {'inputs': (index + drawn).float() * value, 'data_samples': ToySample(index)}


class ToySample:
    """The metainfo of a sample."""

    def __init__(self, index: int) -> None:
        self.metainfo = {'name': f'face_{index}', 'gt_path': f'/faces/face_{index}.png'}


@MODELS.register_module(force=True)
class ToyModel(BaseModel):
    """A linear layer after batch norm and dropout."""

    def __init__(self, init_cfg: Any = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.body = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        x = torch.stack(list(inputs)) if isinstance(inputs, (list, tuple)) else inputs
        out: Tensor = self.body(x)
        if mode == 'loss':
            return {'loss_square': (out.float() - torch.randn(2)).square().mean()}
        return [{'value': float(out.float().mean())}] * len(x)


def toy_config(work_dir: Any, iterations: int, workers: int = 0, **changes: Any) -> Config:
    """A config of the training with everything that has a state: EMA, schedules, autocast."""
    loader = dict(
        batch_size=2,
        num_workers=workers,
        persistent_workers=workers > 0,
        dataset=dict(type='ToyNoise'),
        sampler=dict(type='ResumableSampler'),
    )
    config = Config(
        dict(
            default_scope='rainrestore',
            model=dict(type='ToyModel'),
            train_dataloader=loader,
            train_cfg=dict(type='ResumableTrainLoop', max_iters=iterations, val_interval=2),
            optim_wrapper=dict(type='AutocastOptimWrapper', optimizer=dict(type='Adam', lr=0.1)),
            param_scheduler=[
                dict(type='CosineAnnealingLR', by_epoch=False, T_max=20, end=1000)
            ],  # the default end: max_iters
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=1, log_metric_by_epoch=False),
                checkpoint=dict(type='WholeCheckpointHook', by_epoch=False, interval=1),
            ),
            custom_hooks=[dict(type='EMAHook'), dict(type='FiniteLossHook'), dict(type='StopSignalHook')],
            log_processor=dict(by_epoch=False),
            visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
            randomness=dict(seed=5),
            work_dir=str(work_dir),
            # mmengine stores the loggers and message hubs of a process under this name
            experiment_name=str(work_dir).replace('/', '_'),
            log_level='ERROR',
        )
    )
    config.merge_from_dict(changes)
    return config


@METRICS.register_module(force=True)
class ToyMean(BaseMetric):
    """The mean of the random output of the model."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results += [sample['value'] + random.random() + torch.rand(1).item() for sample in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {'mean': sum(results) / len(results)}

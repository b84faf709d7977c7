"""Measure the cost of ``TrainingWatchHook`` as a share of a training step.

The script times, in turns on one batch, a step, a step in which the hook checks weights and outputs, and a step in
which it also checks the loss terms. The share follows from the intervals of the hook. The last line is JSON.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from mmengine.runner import Runner
from timing import alternate

from rainrestore.engine import TrainingWatchHook
from rainrestore.engine.config import load_config

NEVER = 10**9


def step_with(runner: Runner, batch: Any, interval: int, gradient_interval: int) -> Callable[[], None]:
    """A training step with an additional watch hook."""
    hook = TrainingWatchHook(interval, gradient_interval)
    hook.before_train(runner)

    def step() -> None:
        hook.before_train_iter(runner, 0, batch)
        outputs = runner.model.train_step(batch, runner.optim_wrapper)
        hook.after_train_iter(runner, 0, batch, outputs)

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', default='configs/fcg_gan_x4.py')
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(args.config, {'train_dataloader.num_workers': 0, 'log_level': 'ERROR'})
        config.work_dir = folder
        config.train_dataloader.persistent_workers = False
        runner = Runner.from_cfg(config)
        runner.build_train_loop(config.train_cfg)
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.model.train()
        batch = next(iter(runner.build_dataloader(config.train_dataloader)))
        steps = {
            'step': step_with(runner, batch, NEVER, NEVER),
            'weights and outputs': step_with(runner, batch, 1, NEVER),
            'loss terms': step_with(runner, batch, NEVER, 1),
        }
        device = next(runner.model.parameters()).device
        seconds = {name: median(times) for name, times in alternate(steps, args.rounds, device).items()}
    watch = TrainingWatchHook()
    plain = seconds['step']
    share = (seconds['weights and outputs'] - plain) / watch.interval / plain
    share += (seconds['loss terms'] - plain) / watch.gradient_interval / plain
    for name, value in seconds.items():
        print(f'{name:22}{1000 * value:9.1f} ms')
    print(f'share of a training: {100 * share:.2f} %')
    print(
        json.dumps(
            {
                'config': Path(args.config).stem,
                'batch': len(batch['inputs']),
                'threads': torch.get_num_threads(),
                'seconds': seconds,
                'share': share,
            }
        )
    )


if __name__ == '__main__':
    main()

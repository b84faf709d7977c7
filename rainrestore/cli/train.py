"""Train a model described by a config.

Ctrl-C and SIGTERM save a checkpoint and end the run with exit code 130 or 143. --resume continues the run; the final
weights are the same as without the interruption.
"""

import argparse

from rainrestore.cli.options import add_shared


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``rainrestore train``."""
    add = parser.add_argument
    add_shared(parser, 'config', '--data')
    more = 'another folder of training faces, with or without masks; may be repeated'
    add('--more-data', metavar='DIR', action='append', default=[], help=more)
    add('--work-dir', metavar='DIR', help='folder for logs and checkpoints (default: work_dirs/<config>)')
    resume = 'continue from CHECKPOINT, or from the newest complete checkpoint of the work dir'
    add('--resume', nargs='?', const='auto', metavar='CHECKPOINT', help=resume)
    amp = "train in bfloat16, or with --no-amp in float32 (default: the config's choice, else the processor's)"
    add('--amp', action=argparse.BooleanOptionalAction, default=None, help=amp)
    add_shared(parser, '--launcher')
    add_shared(parser, '--cfg-options', help='changes to the config, e.g. train_cfg.max_iters=20')


def run(args: argparse.Namespace) -> int:
    """Train; write the log, the TensorBoard events and the checkpoints to the work dir.

    Returns:
        0, or 130 after Ctrl-C and 143 after SIGTERM. Then the run is saved, and ``--resume`` continues it.
    """
    from mmengine.dist import is_main_process

    from rainrestore.config_files import default_work_dir
    from rainrestore.engine.allocator import keep_freed_memory
    from rainrestore.engine.config import accept_faces_without_masks, load_config
    from rainrestore.engine.config_check import check_config
    from rainrestore.engine.processes import from_first, joined
    from rainrestore.engine.saving import newest_checkpoint
    from rainrestore.engine.screen import RestorationRunner, ScreenHook, warnings_in_log
    from rainrestore.engine.signals import exit_code
    from rainrestore.engine.work_dir import held_folder
    from rainrestore.errors import ConfigError
    from rainrestore.registry import RUNNERS
    from rainrestore.threads import limit_threads

    keep_freed_memory()
    limit_threads()
    config = load_config(args.config, args.cfg_options, args.data, args.more_data)
    if args.resume == '':
        raise ConfigError('--resume: the name of the checkpoint is empty')
    if not config.get('train_cfg'):
        raise ConfigError(f'{args.config} has no train_cfg and can only be tested (rainrestore test)')
    accept_faces_without_masks(config, testing=False)
    check_config(config)
    config.work_dir = args.work_dir or config.get('work_dir') or str(default_work_dir(args.config))
    config.launcher = args.launcher
    if args.amp is not None:
        wrapper = config.optim_wrapper
        grouped = 'constructor' in wrapper
        groups = [group for group in wrapper.values() if isinstance(group, dict)] if grouped else [wrapper]
        if not all(group.get('type') == 'AutocastOptimWrapper' for group in groups):
            raise ConfigError(f'--amp: {args.config} does not use AutocastOptimWrapper')
        for group in groups:
            group['enabled'] = args.amp
    with warnings_in_log(), joined(args.launcher, config), held_folder(config.work_dir):
        if args.resume == 'auto':
            # Without a checkpoint, start a new run, from the config's load_from if it has one.
            newest = from_first(newest_checkpoint(config.work_dir) if is_main_process() else None)
            config.resume = newest is not None
            config.load_from = newest or config.get('load_from')
        elif args.resume is not None:
            config.resume = True
            config.load_from = args.resume
        runner = RUNNERS.build(config) if config.get('runner_type') else RestorationRunner.from_cfg(config)
        runner.register_hook(ScreenHook(args.config))
        runner.train()
        return exit_code(runner)

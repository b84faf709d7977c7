"""The screen output of a training and of a test: a summary, then the progress. The log file has the rest."""

import io
import logging
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from toy import toy_config

from rainrestore.cli.main import main
from rainrestore.engine import optim, screen
from rainrestore.engine.config import load_config
from rainrestore.engine.screen import RestorationRunner, ScreenHook, slot_parameters, warnings_in_log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def trained(work_dir: Path, **changes) -> RestorationRunner:
    runner = RestorationRunner.from_cfg(toy_config(work_dir, 4, log_level='INFO', **changes))
    runner.register_hook(ScreenHook('configs/toy.py'))
    runner.train()
    return runner


def log_text(runner: RestorationRunner) -> str:
    return Path(runner.log_dir, f'{runner.timestamp}.log').read_text()


def test_screen_starts_with_a_summary_and_the_log_file_has_the_rest(tmp_path, capsys):
    runner = trained(tmp_path / 'run')
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[0] for line in printed[:7]] == [
        *('model', 'iterations', 'precision', 'data', 'parameters', 'device', 'writes')
    ]
    assert printed[0].split() == ['model', 'ToyModel,', 'configs/toy.py']
    assert '0 to 4' in printed[1] and '7 faces to train, batches of 2' in printed[3]
    assert str(tmp_path / 'run') in printed[6]
    assert any('Iter(train) [4/4]' in line for line in printed[7:])
    unwanted = ('Config:', 'System environment', 'Hooks will be executed', 'initialized', 'deprecated')
    assert not [line for line in printed for words in unwanted if words in line]
    log = log_text(runner)
    assert all(words in log for words in ('Config:', 'System environment', 'Hooks will be executed'))
    assert len(printed) < 30 < len(log.splitlines())


def test_resumed_run_prints_the_same_summary(tmp_path, capsys):
    (tmp_path / 'run').mkdir()
    RestorationRunner.from_cfg(toy_config(tmp_path / 'run', 2, param_scheduler=None)).train()
    capsys.readouterr()
    source = str(tmp_path / 'run' / 'iter_2.pth')
    runner = trained(tmp_path / 'again', param_scheduler=None, resume=True, load_from=source)
    printed = capsys.readouterr().out
    assert printed.startswith('model ') and '2 to 4' in printed
    assert f'backend from path: {source}' in log_text(runner) and 'skip resuming param' in log_text(runner)


@pytest.mark.parametrize(
    ('enabled', 'supported', 'expected'),
    [
        (None, True, 'bfloat16'),
        (None, False, 'float32'),
        (False, True, 'float32'),
        (True, False, 'bfloat16, slow on this processor; --no-amp is faster'),
    ],
)
def test_screen_names_the_precision(tmp_path, monkeypatch, capsys, enabled, supported, expected):
    for module in (optim, screen):
        monkeypatch.setattr(module, 'has_bfloat16', lambda device: supported)
    wrapper = dict(type='AutocastOptimWrapper', enabled=enabled, optimizer=dict(type='Adam', lr=0.1))
    trained(tmp_path / 'run', optim_wrapper=wrapper)
    assert f'precision   {expected}\n' in capsys.readouterr().out


def test_terminal_shows_a_progress_bar_instead_of_losses(tmp_path, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, 'stderr', terminal)
    runner = trained(tmp_path / 'run')
    assert '4/4' in terminal.getvalue() and 'loss=' in terminal.getvalue()
    printed = capsys.readouterr().out
    assert 'Iter(train)' not in printed
    assert 'Iter(train) [4/4]' in log_text(runner)


def test_test_shows_a_progress_bar_and_the_number_of_threads(tmp_path, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, 'stderr', terminal)
    testing = {'test_dataloader': dict(batch_size=2, num_workers=0, dataset=dict(type='ToyNoise'),
                                       sampler=dict(type='DefaultSampler', shuffle=False)),
               'test_cfg': {}, 'test_evaluator': [dict(type='ToyMean')]}  # fmt: skip
    runner = RestorationRunner.from_cfg(toy_config(tmp_path / 'run', 4, **testing))
    runner.register_hook(ScreenHook('configs/toy.py', 'a.pth'))
    runner.test()
    assert '4/4' in terminal.getvalue() and ' batch' in terminal.getvalue()
    assert f'cpu, threads: {torch.get_num_threads()}' in capsys.readouterr().out


def test_parameters_of_each_slot_are_printed():
    model = torch.nn.ModuleDict({'generator': torch.nn.Linear(1000, 1000), 'pixel_loss': torch.nn.MSELoss()})
    assert slot_parameters(model) == 'generator 1.00 M'


def test_screen_shows_own_warnings_and_the_log_file_has_the_others(tmp_path, capsys):
    log = tmp_path / 'a.log'
    logger = MMLogger.get_instance('screen_test', log_file=str(log))
    handler = next(handler for handler in logger.handlers if not isinstance(handler, logging.FileHandler))
    handler.addFilter(screen._is_for_screen)
    with warnings_in_log():
        warnings.warn_explicit('old API', UserWarning, '/site-packages/diffusers/utils.py', 3)
        warnings.warn_explicit('odd face', UserWarning, screen.__file__, 4)
    printed = capsys.readouterr().out
    assert 'odd face' in printed and 'old API' not in printed
    assert 'old API' in log.read_text() and 'odd face' in log.read_text()


@pytest.mark.slow
def test_test_names_its_weights_and_builds_no_discriminator(tmp_path, capsys):
    pytest.importorskip('mmagic')
    words = ['test', 'configs/fcg_gan_x4.py', 'rainrestore://fcg_gan_x4', '--out', str(tmp_path)]
    assert main([*words, '--cfg-options', 'test_dataloader.num_workers=0']) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].split() == ['weights', 'rainrestore://fcg_gan_x4']
    assert 'generator' in printed[3] and 'discriminator' not in printed[3]
    assert len(printed) < 25


def test_config_in_the_work_dir_has_the_modules_that_it_imports(tmp_path):
    """It can be read without the folder of its source, and a run can start from it in the same work dir."""
    source, work = tmp_path / 'source', tmp_path / 'run'
    source.mkdir()
    (source / 'dumped_part.py').write_text('import torch\n')
    toy_config(work, 1, custom_imports=dict(imports=['dumped_part'])).dump(source / 'mine.py')
    RestorationRunner.from_cfg(load_config(source / 'mine.py'))
    shutil.rmtree(source)
    assert (work / 'dumped_part.py').read_text() == 'import torch\n'
    RestorationRunner.from_cfg(load_config(work / 'mine.py'))
    program = f'from rainrestore.config_files import *; read_config(Path({str(work / "mine.py")!r}))'
    subprocess.run([sys.executable, '-c', program], check=True, cwd=tmp_path)


def test_runs_of_one_second_write_to_their_own_files(tmp_path, monkeypatch):
    monkeypatch.setattr('mmengine.runner.runner.time.time', lambda: 1_700_000_000.0)
    runners = []
    for name in ('first', 'second', 'third'):
        runner = RestorationRunner.from_cfg(toy_config(tmp_path / name, 1, experiment_name='toy'))
        runner.train()
        assert Path(runner.log_dir).parent == tmp_path / name
        (log,) = (tmp_path / name).rglob('*.log')
        (scalars,) = (tmp_path / name).rglob('scalars.json')
        assert 'body.0.weight' in log.read_text(encoding='utf-8')
        assert len(scalars.read_text(encoding='utf-8').splitlines()) == 1
        runners.append(runner)
    for attribute in ('logger', 'message_hub', 'visualizer'):
        assert len({id(getattr(runner, attribute)) for runner in runners}) == 3

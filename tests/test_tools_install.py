"""The plan of the installer: suitable packages are kept, missing ones installed, conflicting ones removed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location('rainrestore_installer', ROOT / 'tools' / 'install.py')
install = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = install
SPEC.loader.exec_module(install)

PINS = install.read_pins((ROOT / 'requirements' / 'constraints.txt').read_text(encoding='utf-8'))
COMPLETE = {name: PINS[name] for name in PINS} | {'torch': '2.13.0+cpu'}


def commands(installed: dict[str, str], **more: bool) -> list[str]:
    return [' '.join(step.pip) for step in install.plan(installed, PINS, **more)[1]]


def test_empty_environment_gets_all_pinned_packages():
    done = commands({})
    assert done[0] == f'install torch=={PINS["torch"]}'
    plain = next(command for command in done if 'mmagic==' in command)
    assert plain.startswith('install --no-deps ')
    assert set(plain.split()[2:]) == {
        f'{name}=={PINS[name]}'
        for name in ('torchvision', 'onedl-mmengine', 'mmcv-lite', 'mmagic', 'lpips', 'facexlib', 'facenet-pytorch')
    }
    assert done[-1] == f'install --no-deps --no-build-isolation --editable {ROOT}'


def test_only_the_dev_option_installs_the_tools():
    assert not any('dev.txt' in command for command in commands({}))
    for name in ('dev.txt', 'docs.txt'):
        assert any(name in command for command in commands({}, dev=True))


def test_gradio_is_optional_and_keeps_the_packages_of_mmagic():
    assert not any('gradio' in command or 'web.txt' in command for command in commands({}))
    done = commands(COMPLETE, web=True)
    with_requirements = next(command for command in done if 'web.txt' in command)
    assert 'gradio' not in with_requirements
    plain = next(command for command in done if 'gradio==' in command)
    assert plain.startswith('install --no-deps ')
    assert {f'{name}=={PINS[name]}' for name in ('gradio', 'gradio-client', 'hf-gradio')} <= set(plain.split())
    web = (ROOT / 'requirements' / 'web.txt').read_text(encoding='utf-8').splitlines()
    assert not {line for line in web if line.startswith(('gradio', 'hf-gradio', 'huggingface'))}


def test_installed_torch_is_kept_and_constrains_every_installation():
    installed = {'torch': '2.9.1+cu130'}
    assert not any(f' {word}' in command for command in commands(installed) for word in ('torch=', 'torch '))
    assert any('torchvision==0.24.1' in command for command in commands(installed))
    assert 'torch==2.9.1+cu130' in install.constraint_lines(PINS, installed)


@pytest.mark.parametrize('kept', [
    {'torchvision': '0.24.1+cu130'}, {'mmengine': '0.10.7'}, {'mmcv': '2.1.0'}, {'onedl-mmengine': '0.10.10'},
    {'mmcv-lite': '2.0.1'},
])  # fmt: skip
def test_compatible_package_is_kept(kept):
    name = next(iter(kept)).removeprefix('onedl-').removesuffix('-lite')
    done = commands(kept)
    assert not any(f'{name}==' in command or f'{name}-lite==' in command for command in done)
    assert not any(command.startswith('uninstall') for command in done)


def test_second_run_replaces_nothing():
    for command in commands(COMPLETE, dev=True):
        assert command.startswith('install ')
        assert '--force-reinstall' not in command


@pytest.mark.parametrize('gui', ['opencv-python', 'opencv-contrib-python'])
def test_gui_opencv_is_removed_and_the_headless_one_is_reinstalled(gui):
    done = commands(COMPLETE | {gui: '5.0.0.93'})
    assert done[0] == f'uninstall -y {gui}'
    assert done[1] == f'install --no-deps --force-reinstall opencv-python-headless=={PINS["opencv-python-headless"]}'


def test_mmengine_over_its_fork_is_removed_and_the_fork_is_reinstalled():
    done = commands(COMPLETE | {'mmengine': '0.10.7'})
    at = done.index('uninstall -y mmengine')
    assert done[at + 1] == f'install --no-deps --force-reinstall onedl-mmengine=={PINS["onedl-mmengine"]}'


def test_old_mmengine_is_replaced_by_the_fork():
    done = commands({'mmengine': '0.8.0'})
    assert 'uninstall -y mmengine' in done
    assert any('onedl-mmengine==' in command for command in done)


def test_unsuitable_environment_is_an_error_with_its_reason():
    with pytest.raises(install.InstallError, match=r'mmcv 2\.2\.0'):
        commands({'mmcv': '2.2.0'})
    with pytest.raises(install.InstallError, match=r'torch 3\.0\.0'):
        commands({'torch': '3.0.0'})


def test_every_requirement_is_pinned_or_listed_as_unpinned():
    loose = {'addict', 'packaging', 'pyyaml', 'rich', 'termcolor', 'yapf'}
    for name in ('stack.txt', 'web.txt', 'dev.txt', 'docs.txt'):
        lines = (ROOT / 'requirements' / name).read_text(encoding='utf-8').splitlines()
        wanted = {line.partition(';')[0] for line in lines if line and not line.startswith('#')}
        assert wanted - loose <= PINS.keys()
        assert not wanted & {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmagic', 'opencv-python'}


def test_dry_run_only_prints_the_commands():
    command = [sys.executable, str(ROOT / 'tools' / 'install.py'), '--dry-run']
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert 'python -m pip install' in done.stdout
    assert 'installed in' not in done.stdout


def fake_python(folder: Path, code: int) -> str:
    """A Python whose pip prints many lines and exits with ``code``."""
    path = folder / 'python'
    path.write_text(f'#!/bin/sh\necho "Collecting numpy==2.4.6"\necho "ERROR: a conflict" >&2\nexit {code}\n')
    path.chmod(0o755)
    return str(path)


def test_pip_output_is_shown_only_after_a_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['install.py'])
    monkeypatch.setattr(install, 'installed_distributions', dict)
    monkeypatch.setattr(sys, 'executable', fake_python(tmp_path, 0))
    assert install.main() == 0
    printed = capsys.readouterr()
    assert [line.split(':')[0] for line in printed.out.splitlines()[:-1]] == [
        *('[1/4] torch', '[2/4] packages with their own requirements'),
        *('[3/4] mmagic and other packages without their own requirements', '[4/4] rainrestore itself'),
    ]
    assert printed.err == ''
    monkeypatch.setattr(sys, 'executable', fake_python(tmp_path, 3))
    assert install.main() == 3
    printed = capsys.readouterr()
    assert '[1/4] torch: failed after 0 s' in printed.out and '[2/4]' not in printed.out
    assert 'Collecting numpy==2.4.6' in printed.err and 'ERROR: a conflict' in printed.err
    assert 'python -m pip install torch==' in printed.err.splitlines()[-1]


def test_terminal_shows_the_current_package_on_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'executable', fake_python(tmp_path, 0))
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True)
    assert install.run_pip(('install', 'x'), tmp_path / 'constraints.txt', '[1/2] x')[0] == 0
    assert '\r\033[K[1/2] x: Collecting numpy==2.4.6' in capsys.readouterr().out

"""Install rainrestore and its dependencies into the Python that runs this file. Uses only the standard library.

    python -m venv .venv && .venv/bin/python tools/install.py        # as `make` does
    pip install torch ... && python tools/install.py                 # with a GPU: install torch for your CUDA first
    .venv/bin/python tools/install.py --web                          # also install Gradio for `rainrestore web`

A suitable torch, torchvision, mmengine or mmcv that is already installed is kept. Run the command again to correct
packages that another pip command has replaced.
"""

import argparse
import importlib.metadata
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / 'requirements'

# These require mmengine, the GUI build of OpenCV, or an older torch, numpy or pillow, and pip would install it.
WITHOUT_THEIR_REQUIREMENTS = ('mmagic', 'lpips', 'facexlib', 'facenet-pytorch')
# These require a huggingface-hub that diffusers 0.28 cannot import, and an older pillow.
WEB_WITHOUT_THEIR_REQUIREMENTS = ('gradio', 'gradio-client', 'hf-gradio')
GUI_OPENCV = ('opencv-python', 'opencv-contrib-python')
HEADLESS_OPENCV = 'opencv-python-headless'


class InstallError(Exception):
    """An installed package cannot be used; the message states the remedy."""


@dataclass(frozen=True)
class Step:
    """One pip command, and its purpose."""

    why: str
    pip: tuple[str, ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--web', action='store_true', help='also install Gradio, for `rainrestore web`')
    parser.add_argument('--dev', action='store_true', help='also install pytest, ruff, mypy, Sphinx and Gradio')
    parser.add_argument('--dry-run', action='store_true', help='print the commands and run none')
    args = parser.parse_args()
    installed = installed_distributions()
    pins = read_pins((REQUIREMENTS / 'constraints.txt').read_text(encoding='utf-8'))
    try:
        kept, steps = plan(installed, pins, dev=args.dev, web=args.web or args.dev)
    except InstallError as error:
        print(f'install: error: {error}', file=sys.stderr)
        return 2
    for line in kept:
        print(f'# {line}')
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / 'constraints.txt'
        constraints.write_text('\n'.join(constraint_lines(pins, installed)) + '\n', encoding='utf-8')
        for number, step in enumerate(steps, 1):
            command = shlex.join(['python', '-m', 'pip', *step.pip])
            if args.dry_run:
                print(f'# {step.why}\n{command}')
                continue
            code, output = run_pip(step.pip, constraints, f'[{number}/{len(steps)}] {step.why}')
            if code:
                print(output, file=sys.stderr)
                print(
                    f'install: error: {command} failed as shown above; correct it and run this again', file=sys.stderr
                )
                return code
    if not args.dry_run:
        print(f'installed in {time.monotonic() - start:.0f} s; `rainrestore doctor` checks the installation')
    return 0


def plan(
    installed: Mapping[str, str], pins: Mapping[str, str], dev: bool = False, web: bool = False
) -> tuple[list[str], list[Step]]:
    """The kept packages, in words, and the pip commands for the missing ones.

    Args:
        installed: Normalised distribution name -> version.
        pins: Name -> the version this project is tested with.
        dev: Also install the packages for tests, linting and the documentation.
        web: Also install Gradio.

    Raises:
        InstallError: An installed package has an unsuitable version, and the user must replace it.
    """
    kept, steps = [], []
    plain = []  # installed without their requirements, in one command

    if 'torch' in installed:
        kept.append(f'torch {installed["torch"]} stays')
    else:
        steps.append(Step('torch', ('install', f'torch=={pins["torch"]}')))

    gui = [name for name in GUI_OPENCV if name in installed]
    if gui:
        # Both builds share the folder cv2: removing one deletes files of the other, so reinstall the headless build.
        steps.append(Step('remove the GUI build of OpenCV, which needs libGL', ('uninstall', '-y', *gui)))
        steps.append(
            Step(
                'the headless build of OpenCV',
                ('install', '--no-deps', '--force-reinstall', f'{HEADLESS_OPENCV}=={pins[HEADLESS_OPENCV]}'),
            )
        )

    wanted = {'stack.txt': True, 'web.txt': web, 'dev.txt': dev, 'docs.txt': dev}
    files = [word for name, needed in wanted.items() if needed for word in ('-r', str(REQUIREMENTS / name))]
    steps.append(Step('packages with their own requirements', ('install', *files)))

    if 'torchvision' in installed:
        kept.append(f'torchvision {installed["torchvision"]} stays')
    else:
        plain.append(f'torchvision=={torchvision_for(installed.get("torch", pins["torch"]))}')

    fork, upstream = installed.get('onedl-mmengine'), installed.get('mmengine')
    fork_pinned = f'onedl-mmengine=={pins["onedl-mmengine"]}'
    if fork and upstream:
        steps.append(Step('remove mmengine, which overwrote files of its fork', ('uninstall', '-y', 'mmengine')))
        steps.append(Step('the fork of mmengine again', ('install', '--no-deps', '--force-reinstall', fork_pinned)))
    elif fork:
        kept.append(f'onedl-mmengine {fork} stays')
    elif upstream and (0, 10, 7) <= numbers(upstream) < (1,):
        kept.append(f'mmengine {upstream} stays')
    else:
        if upstream:
            steps.append(Step(f'remove mmengine {upstream}, older than 0.10.7', ('uninstall', '-y', 'mmengine')))
        plain.append(fork_pinned)

    mmcv = next((name for name in ('mmcv', 'mmcv-lite') if name in installed), None)
    if mmcv is None:
        plain.append(f'mmcv-lite=={pins["mmcv-lite"]}')
    elif (2, 0) <= numbers(installed[mmcv]) < (2, 2):
        kept.append(f'{mmcv} {installed[mmcv]} stays')
    else:
        raise InstallError(
            f'mmagic needs mmcv >=2.0,<2.2, and {mmcv} {installed[mmcv]} is installed: uninstall it first'
        )

    plain_names = WITHOUT_THEIR_REQUIREMENTS + (WEB_WITHOUT_THEIR_REQUIREMENTS if web else ())
    plain += [f'{name}=={pins[name]}' for name in plain_names]
    steps.append(Step('mmagic and other packages without their own requirements', ('install', '--no-deps', *plain)))
    steps.append(Step('rainrestore itself', ('install', '--no-deps', '--no-build-isolation', '--editable', str(ROOT))))
    return kept, steps


def torchvision_for(torch: str) -> str:
    """The version of torchvision for a version of torch: 0.(N + 15).P for 2.N.P."""
    version = numbers(torch)
    if len(version) != 3 or version[0] != 2:
        raise InstallError(f'no torchvision is known for torch {torch}: install the two together first')
    return f'0.{version[1] + 15}.{version[2]}'


def constraint_lines(pins: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """The pins, with the installed version of torch, so that pip fails instead of replacing it."""
    bound = {**pins, 'torch': installed.get('torch', pins['torch'])}
    return [f'{name}=={version}' for name, version in bound.items() if name != 'torchvision']


def run_pip(arguments: tuple[str, ...], constraints: Path, title: str) -> tuple[int, str]:
    """Run pip of this Python; return its exit code and its output.

    The screen shows one line: the title, on a terminal also the current package, and at the end the seconds.
    """
    command = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--no-color', *arguments]
    if arguments[0] == 'install':
        # Compiling 2 GB of Python to bytecode takes two thirds of the time. Python compiles at the first import the few
        # files that it imports.
        command += ['--constraint', str(constraints), '--no-compile', '--progress-bar', 'off']
    terminal = sys.stdout.isatty()
    start, lines = time.monotonic(), []
    print(title, end='', flush=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            lines.append(line)
            found = re.match(r'\s*(?:Collecting|Downloading|Installing)\b.{,50}', line)
            if terminal and found:
                print(f'\r\033[K{title}: {found[0].strip()}', end='', flush=True)
    ending = f'failed after {time.monotonic() - start:.0f} s' if pip.returncode else f'{time.monotonic() - start:.0f} s'
    print(f'\r\033[K{title}: {ending}' if terminal else f': {ending}', flush=True)
    return pip.returncode, ''.join(lines)


def installed_distributions() -> dict[str, str]:
    """The installed packages: normalised name -> version."""
    return {
        re.sub(r'[-_.]+', '-', distribution.name).lower(): distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.name
    }


def read_pins(text: str) -> dict[str, str]:
    """``name==version`` lines; comments and empty lines are skipped."""
    return dict(line.strip().split('==') for line in text.splitlines() if '==' in line and not line.startswith('#'))


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``2.13.0+cpu`` -> (2, 13, 0)."""
    match = re.match(r'\d+(\.\d+)*', version)
    return tuple(int(number) for number in match[0].split('.')) if match else ()


if __name__ == '__main__':
    sys.exit(main())

"""Every command and every snippet of the documentation runs unchanged.

A new page needs no change here. reader.py makes substitutes for the files that a page assumes. If the user saves a code
block as a file, the paragraph before the block has its name. NOT_RUN lists the commands that are not run, with the
reason. Code that is neither run nor listed fails.
"""

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import torch
from documents import ROOT, SHELL, SHELL_SYNTAX, Block, Command, blocks, commands, pages
from narrow import narrow
from reader import Reader, bundled, short

from rainrestore.benchmark import load_benchmark
from rainrestore.cli.main import SUBCOMMANDS, build_parser, main
from rainrestore.engine.config import load_config
from rainrestore.registry import DATASETS, FACE_DETECTORS, HOOKS, METRICS, MODELS, TRANSFORMS

#: Commands that are not run -> the reason. The pattern matches the whole command.
NOT_RUN = {
    r'make \w+': 'takes minutes and writes into the repository; that make knows the target is tested',
    r'python -m venv \.venv': 'the tests already run in an environment',
    r'\. \.venv/bin/activate': 'the tests already run in an environment',
    r'(\w+=\S+ )?rainrestore web( .*)?': 'serves until it is told to end; tests/test_web_page.py and others run it',
    r'python tools/benchmarks/benchmark_(inference|startup|training|scaling)\.py .*': 'takes minutes; tested apart',
    r'python tools/benchmarks/benchmark_(detection|video|scenes|large_photos)\.py( .*)?': 'takes minutes; tested apart',
    r'python tools/benchmarks/benchmark_threads\.py .*': 'keeps a core busy; tested apart',
    r'python tools/dataset_converters/(scene_crops|parse_faces)\.py .*': 'needs photos or a download; tested apart',
    r'python tools/docs/ten_images\.py': 'reads images of packages that the tests do not have',
    r'rainrestore train configs/paper/.*': 'needs a GPU and the checkpoint before it; a slow test steps each once',
    r'rainrestore benchmark strong\.py .*': 'needs the checkpoints of all commands before it',
    r'rainrestore zoo verify .*': 'measures 50 faces or 150; tests/test_zoo_bundled.py runs it on the default model',
    r'(\.venv/bin/)?pip install .*': 'needs the network; that the extra it names exists is tested',
}
#: Subcommands that take more than a few seconds. The fast suite parses their commands and loads their configs.
SLOW = {'train', 'test', 'audit', 'benchmark', 'benchmark_photos', 'doctor', 'export'}
#: Languages of blocks without code: output of a program, a drawing, a folder tree.
PLAIN = ('', 'text')


def identity(item: Block | Command) -> str:
    return f'{item.page}:{item.line}'


def reason(command: Command) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, command.plain)), None)


def those_to_run(*, slow: bool | None = None, mark: Any = ()) -> list:
    """Commands as parameters: all, only those of SLOW, or only the others."""
    return [
        pytest.param(command, id=f'{identity(command)}-{command.subcommand()}', marks=mark)
        for command in commands()
        if reason(command) is None and slow in (None, command.subcommand() in SLOW)
    ]


@pytest.fixture
def own_parts_are_forgotten() -> Iterator[None]:
    """Remove the components and modules of the pages after the test."""
    yield
    own = {Path(str(block.file)).stem for block in blocks() if block.file} | {'__main__'}
    for registry in (DATASETS, FACE_DETECTORS, METRICS, MODELS, TRANSFORMS):
        for name in [name for name, part in registry.module_dict.items() if part.__module__ in own]:
            del registry.module_dict[name]
    for name in (own - {'__main__'}) & set(sys.modules):
        del sys.modules[name]


@pytest.fixture(scope='module')
def states() -> list[dict[Path, tuple[int, int]]]:
    """The state of the repository after the last test with a reader."""
    return [bundled()]


@pytest.fixture
def reader(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_parts_are_forgotten: None,
    states: list[dict[Path, tuple[int, int]]],
) -> Iterator[Reader]:
    """The reader of the page with the parametrised command or block; it must not change the repository."""
    yield Reader(tmp_path, request.node.callspec.params['item'].page, monkeypatch)
    states.append(bundled())
    assert states.pop(0) == states[-1]


@pytest.mark.parametrize('item', blocks(), ids=identity)
def test_code_block_has_a_language_that_is_run(item: Block) -> None:
    if item.language == 'json':
        json.loads(item.text)
        return
    known = item.language in (*SHELL, 'python', *PLAIN) or re.fullmatch(r'\{.+\}', item.language)
    assert known, f'{item.page}:{item.line}: nothing runs code in {item.language!r}; use sh, python, json or text'


@pytest.mark.parametrize('page', pages())
def test_commands_are_in_fenced_blocks(page: str) -> None:
    """Commands in indented code would not be tested."""
    text = re.sub(r'(?ms)^( *)```.*?^ *```', '', pages()[page].read_text(encoding='utf-8'))
    assert not re.findall(r'(?m)^(?:    |\t)\s*(?:\$ |(?:rainrestore|python|pip|make|import|from) .*)', text)


@pytest.mark.parametrize('item', those_to_run())
def test_command_has_a_form_that_is_run(item: Command) -> None:
    name = item.subcommand()
    assert name is not None and not SHELL_SYNTAX.search(item.text), (
        f'{item.page}:{item.line}: no test runs {item.text!r}: write it as one rainrestore or tools/ command a line, '
        'or list it in NOT_RUN with the reason'
    )
    if item.words[0] == 'python':
        assert (ROOT / item.words[1]).is_file()


@pytest.mark.parametrize('item', those_to_run(slow=True))
def test_slow_command_is_parsed_by_the_program(item: Command, reader: Reader) -> None:
    name = item.subcommand()
    if item.words[0] == 'python':
        source = (ROOT / item.words[1]).read_text(encoding='utf-8')
        wrapped = re.search(r"main\(\['(\w+)'", source)
        name = wrapped[1] if wrapped else None
    if name in SUBCOMMANDS:
        words = [name, *item.words[2:]]
        args = build_parser(words).parse_args(words)
        if 'cfg_options' in args and 'config' in args:
            reader.set_environment(item)
            load_config(args.config, args.cfg_options)


@pytest.mark.parametrize('item', [*those_to_run(slow=False), *those_to_run(slow=True, mark=pytest.mark.slow)])
def test_command_runs(item: Command, reader: Reader) -> None:
    pytest.importorskip('mmagic')
    assert reader.type(item) == 0
    for option, value in zip(item.words, item.words[1:], strict=False):
        if option in ('-o', '--out', '--work-dir', '--zoo') and not value.startswith('--'):
            assert Path(value).exists(), f'{value} is not written'


def test_excluded_command_exists_and_has_its_inputs() -> None:
    texts = [command.plain for command in commands()]
    for pattern in NOT_RUN:
        assert any(re.fullmatch(pattern, text) for text in texts), f'{pattern}: no page has it any more'
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    for text in texts:
        for target in re.findall(r'^make (\w+)', text):
            assert re.search(rf'(?m)^{target}\b.*:', makefile), f'{text}: no such target'
        for extras in re.findall(r'pip install .*\[([\w,]+)\]', text):
            assert all(re.search(rf"'{extra}': \[", setup) for extra in extras.split(',')), f'{text}: no such extra'


def is_data(code: str) -> bool:
    """Whether the code only assigns values, as a config does; other code is a script."""
    return all(isinstance(statement, ast.Assign) for statement in ast.parse(code).body)


def snippets(data: bool) -> list:
    chosen = [block for block in blocks() if block.language == 'python' and is_data(block.text) == data]
    return [pytest.param(block, id=identity(block)) for block in chosen]


providers = cache(packages_distributions)


@pytest.mark.parametrize('item', [*snippets(data=False), *snippets(data=True)])
def test_code_imports_only_installed_packages(item: Block) -> None:
    """Other packages may be installed on one machine and missing on another."""
    nodes = list(ast.walk(ast.parse(item.text)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    modules = {name.split('.')[0] for name in names}
    text = '\n'.join(path.read_text(encoding='utf-8') for path in (ROOT / 'requirements').glob('*.txt'))
    required = {word.lower().replace('_', '-') for word in re.findall(r'(?m)^[\w.-]+', text)} | {'rainrestore'}
    written = {Path(str(block.file)).stem for block in blocks() if block.file}
    for module in modules - set(sys.stdlib_module_names) - written:
        found = {name.lower().replace('_', '-') for name in providers().get(module, ())}
        assert found & required, f'{item.page}:{item.line}: no file of requirements/ has {module}'


@pytest.mark.parametrize('item', snippets(data=False))
def test_script_runs(item: Block, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('mmagic')
    for folder in {(reader.folder / str(block.file)).parent for block in blocks() if block.file} | {reader.folder}:
        monkeypatch.syspath_prepend(folder)
    code = ast.parse(item.text)
    reader.stand_in(
        [node.value for node in ast.walk(code) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    )
    exec(compile(code, identity(item), 'exec'), {'__name__': '__main__'})


def saved_config(item: Block, reader: Reader) -> Path:
    """Save the block as a file; a block without ``_base_`` gets one."""
    if '_base_' not in item.text:
        item = item._replace(text=f"_base_ = '{ROOT / 'configs/fcg_gan_x4.py'}'\n{item.text}")
    if item.file is None:
        item = item._replace(file='mine/config.py' if "'../" in item.text else 'mine.py')
    return reader.save(item)


@pytest.mark.parametrize('item', snippets(data=True))
def test_config_loads_and_builds(item: Block, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The config loads, its network restores, and its other parts accept their options."""
    pytest.importorskip('mmagic')
    if 'methods' in item.text:
        assert load_benchmark(str(reader.save(item))).methods
        return
    path = saved_config(item, reader)
    for folder in (path.parent, reader.folder):
        monkeypatch.syspath_prepend(folder)
    config = load_config(path)
    shown = {statement.targets[0].id for statement in ast.parse(item.text).body if isinstance(statement, ast.Assign)}
    for name in shown & {'test_evaluator', 'val_evaluator', 'custom_hooks'}:
        for part in config[name]:
            options = {key: value for key, value in part.items() if key != 'type'}
            inspect.signature((HOOKS if name == 'custom_hooks' else METRICS).get(part.type)).bind(**options)
    if 'model' in shown:
        config.merge_from_dict(dict(model=narrow(config.model)))
        with torch.inference_mode():
            outputs = MODELS.build(config.model).eval()(torch.rand(1, 3, 32, 32), mode='tensor')
        assert all(torch.isfinite(value).all() for value in outputs.values())


@pytest.mark.slow
@pytest.mark.parametrize('item', [param for param in snippets(data=True) if 'model' in param.values[0].text])
def test_config_trains(item: Block, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('mmagic')
    path = saved_config(item, reader)
    for folder in (path.parent, reader.folder):
        monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr('rainrestore.engine.config.load_config', short)
    assert main(['train', str(path), '--work-dir', 'run']) == 0
    assert Path('run/iter_2.pth').is_file()


def test_every_base_is_found_from_any_folder() -> None:
    """The reader has no clone, or saves the config in another folder."""
    bases = [base for block in blocks() for base in re.findall(r"_base_ = '(.+?)'", block.text)]
    assert bases and not [base for base in bases if not base.startswith('rainrestore::')]


def test_named_files_exist() -> None:
    pattern = r'\b(?:tools|configs|docs|data|tests|rainrestore)/[\w./-]+\.\w+'
    texts = [page.read_text(encoding='utf-8') for page in pages().values()]
    named = {path for text in texts for path in re.findall(pattern, text)}
    missing = {path for path in named if not (ROOT / path).exists()}
    assert named
    assert not missing


@pytest.mark.parametrize('page', pages())
def test_links_have_a_target(page: str) -> None:
    path = pages()[page]
    for target in re.findall(r'\]\(([^)\s]+)\)', path.read_text(encoding='utf-8')):
        if not re.match(r'\w+:', target):
            file, _, anchor = target.partition('#')
            linked = path.parent / file if file else path
            assert linked.exists(), f'{page}: {target}'
            if anchor:
                headings = re.findall(r'(?m)^#+ (.*)$', linked.read_text(encoding='utf-8'))
                anchors = [re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings]
                assert anchor in anchors, f'{page}: {target}; there are {anchors}'


def test_every_page_is_in_the_navigation() -> None:
    index = (ROOT / 'docs' / 'index.md').read_text(encoding='utf-8')
    listed = {line for block in re.findall(r'```{toctree}\n(.*?)```', index, re.DOTALL) for line in block.splitlines()}
    lacking = {path.stem for path in (ROOT / 'docs').glob('*.md')} - listed - {'index'}
    assert not lacking, f'docs/index.md: add a line for {", ".join(sorted(lacking))}'

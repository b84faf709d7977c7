"""Each sub-package of rainrestore imports only from the sub-packages below it."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / 'rainrestore'

#: From the bottom to the top. The modules directly in rainrestore/ are below all of them.
ROOMS = [
    *('physics', 'visualization', 'datasets', 'evaluation', 'models', 'faces', 'engine', 'audit', 'zoo', 'benchmark'),
    *('apis', 'web', 'cli'),
]


def imported(path: Path) -> set[str]:
    """The dotted names below ``rainrestore`` that a file imports, at its top or in a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom):
            names |= {f'{node.module}.{alias.name}' for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.removeprefix('rainrestore.') for name in names if name.startswith('rainrestore.')}


def floor(name: str) -> int:
    """The level of a module or of a name in it."""
    room = name.split('.')[0]
    return ROOMS.index(room) if room in ROOMS else -1


def test_order_contains_every_sub_package():
    assert set(ROOMS) == {path.parent.name for path in PACKAGE.glob('*/__init__.py')}


def test_sub_package_imports_only_from_below():
    upward = {
        f'{path.relative_to(PACKAGE).as_posix()} imports {name}'
        for path in PACKAGE.rglob('*.py')
        for name in imported(path)
        if floor(name) > floor(path.relative_to(PACKAGE).parts[0])
    }
    # The package exports these names and loads them at first use.
    offered = {'apis', 'apis.RestorationInferencer', 'apis.Restorer'}
    command = '__main__.py imports cli.main.main'
    assert upward == {command, *(f'__init__.py imports {name}' for name in offered)}


def test_top_level_modules_have_no_import_cycle():
    modules = {path.stem for path in PACKAGE.glob('*.py')} - {'__init__', '__main__'}
    graph = {module: {name.split('.')[0] for name in imported(PACKAGE / f'{module}.py')} for module in modules}
    TopologicalSorter(graph).prepare()  # CycleError names the cycle

"""The site: `make docs`. Pages are the Markdown beside this file; the reference of the API and of the commands is
written at each build from docstrings and parsers, into folders that git ignores, so that a new module needs no line."""

import argparse
import ast
import os
import pkgutil
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import rainrestore
from rainrestore.cli.main import SUBCOMMANDS, build_parser

DOCS = Path(__file__).parent
PACKAGE = DOCS.parent / 'rainrestore'

project = 'rainrestore'
author = 'the rainrestore authors'
project_copyright = 'the rainrestore authors, Apache-2.0'
version = release = rainrestore.__version__
extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.viewcode']
exclude_patterns = ['conf.py']

html_theme = 'furo'
html_title = f'rainrestore {release}'
html_static_path = ['_static']
html_css_files = ['wide.css']
html_show_sourcelink = False
html_theme_options = {'navigation_with_keys': True}

myst_heading_anchors = 3
# A page that index.md names and nobody has written yet is no error; one that it does not name is.
suppress_warnings = ['toc.not_readable']

autodoc_default_options = {'members': True, 'member-order': 'bysource'}
# what overrides a method of torch and says nothing of it says nothing here
autodoc_inherit_docstrings = False
autodoc_typehints_format = 'short'
maximum_signature_line_length = 120
napoleon_use_ivar = True
# References into this package must lead somewhere; those into torch and others are left as text.
nitpicky = True
nitpick_ignore_regex = [
    ('py:.*', r'(?!rainrestore\.).*'),
    ('py:class', r'rainrestore\.(physics\.rain\.Array|apis\.ahead\.T|arguments\.Checked)'),
]


def write_if_new(page: Path, text: str) -> None:
    """Leave a page that stays the same as old as it is: the next build then skips it."""
    page.parent.mkdir(exist_ok=True)
    if not page.is_file() or page.read_text(encoding='utf-8') != text:
        page.write_text(text, encoding='utf-8')


def heading(text: str) -> str:
    """The title of a page."""
    return f'{text}\n{"=" * len(text)}\n\n'


def first_line(file: Path) -> str:
    """What a module says it is, without importing it."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding='utf-8'))) or ''
    return docstring.partition('\n')[0]


def write_api() -> None:
    """A page a package, with every public module in it, found on the disk."""
    rooms = {folder.parent for folder in PACKAGE.rglob('__init__.py')} - {PACKAGE / 'cli'}
    written = set()
    for room in sorted(rooms):
        name = '.'.join(room.relative_to(PACKAGE.parent).parts)
        modules = [file for file in sorted(room.glob('*.py')) if not file.stem.startswith('_')]
        if not modules:
            continue
        short = name.removeprefix('rainrestore.')
        text = heading(short) + f'{first_line(room / "__init__.py")}\n\n'
        for file in modules:
            title = f'{short}.{file.stem}'
            text += f'{title}\n{"-" * len(title)}\n\n.. automodule:: {name}.{file.stem}\n\n'
        write_if_new(DOCS / 'api' / f'{name}.rst', text)
        written.add(name)
    for old in {page for page in (DOCS / 'api').glob('rainrestore*.rst') if page.stem not in written}:
        old.unlink()
    toctree = '.. toctree::\n   :maxdepth: 2\n   :glob:\n\n   rainrestore*\n'
    index = heading('API') + 'From the docstrings of every public module.\n\n' + toctree
    write_if_new(DOCS / 'api' / 'index.rst', index)


def write_commands() -> None:
    """What ``rainrestore COMMAND --help`` prints."""
    os.environ['COLUMNS'] = '100'
    text = heading('Commands') + 'What ``rainrestore COMMAND --help`` prints.\n\n'
    for name in SUBCOMMANDS:
        action = next(a for a in build_parser([name])._actions if isinstance(a, argparse._SubParsersAction))
        parser = action.choices[name]
        nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        helps = [parser.format_help(), *(below.format_help() for a in nested for below in a.choices.values())]
        usage = re.sub(r'(?m)^(?=.)', '   ', '\n'.join(helps))
        text += f'{name}\n{"-" * len(name)}\n\n.. code-block:: text\n\n{usage}\n'
    write_if_new(DOCS / 'api' / 'commands.rst', text)


def single_source(app: Sphinx, name: str, source: list[str]) -> None:
    """Links to the model zoo's page at the root of the repository lead to its place on the site."""
    source[0] = re.sub(r'\]\(\.\./((?:\.\./)*)model_zoo\.md', r'](\1model_zoo.md', source[0])


def where_it_is_defined(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """A name that a package lends, such as ``rainrestore.physics.invert``, is documented in the module that has it."""
    target = node.get('reftarget', '')
    if node.get('refdomain') != 'py' or not target.startswith('rainrestore.'):
        return None
    try:
        found: Any = pkgutil.resolve_name(target)
        defined = f'{found.__module__}.{found.__qualname__}'
    except (ImportError, AttributeError):
        return None
    if defined == target:
        return None
    python = env.domains['py']
    return python.resolve_xref(env, node['refdoc'], app.builder, node['reftype'], defined, node, content)


def write_reference(app: Sphinx) -> None:
    write_api()
    write_commands()


def setup(app: Sphinx) -> None:
    app.connect('builder-inited', write_reference)
    app.connect('source-read', single_source)
    app.connect('missing-reference', where_it_is_defined)

from pathlib import Path

import pytest

from rainrestore.errors import MissingPackageError
from rainrestore.optional import optional_import


def test_installed_package_is_imported() -> None:
    import json.decoder

    assert optional_import('json.decoder', 'this test') is json.decoder


def test_missing_package_is_named_with_its_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'heavy_package.py').write_text('import package_below\n', encoding='utf-8')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError) as caught:
        optional_import('heavy_package', 'the metric X', 'pip install heavy')
    assert str(caught.value).startswith('the metric X needs heavy_package, and package_below is not installed: pip')


def test_import_error_inside_a_package_is_not_reported_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'broken_package.py').write_text('from json import no_such_name\n', encoding='utf-8')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match='no_such_name'):
        optional_import('broken_package', 'the metric X')

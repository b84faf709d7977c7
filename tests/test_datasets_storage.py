"""Data sets in other storages than the local disk: http and lmdb return the same samples as the folder."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rainrestore.datasets import DatasetError, FaceDataset, ImageFileError, PairedDataset
from rainrestore.datasets.face_dataset import BUNDLED_DATA

NAMES = sorted(path.name for path in (BUNDLED_DATA / 'val' / 'img').iterdir())[:3]
lmdb = pytest.importorskip('lmdb')


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Print nothing, to keep pytest's output readable."""


@pytest.fixture(scope='module')
def url() -> Iterator[str]:
    handler = functools.partial(Silent, directory=str(BUNDLED_DATA))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


@pytest.fixture(scope='module')
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('lmdb') / 'faces.lmdb'
    with lmdb.open(str(path), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for folder in ('img', 'mask'):
            for file in (BUNDLED_DATA / 'val' / folder).iterdir():
                transaction.put(f'val/{folder}/{file.name}'.encode(), file.read_bytes())
    return path


@pytest.fixture(params=['local', 'http', 'lmdb'])
def storage(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == 'local':
        return dict(data_root=str(BUNDLED_DATA), backend_args=dict(backend='local'))
    if request.param == 'http':
        return dict(data_root=request.getfixturevalue('url'), backend_args=dict(backend='http'))
    path = str(request.getfixturevalue('database'))
    return dict(data_root='', backend_args=dict(backend='lmdb', db_path=path))


def test_faces_equal_those_of_the_folder(storage: dict[str, Any]) -> None:
    here = FaceDataset(data_root=str(BUNDLED_DATA), split='val', labels=range(19), names=NAMES)
    there = FaceDataset(split='val', names=NAMES, **storage)
    assert len(there) == len(here) == 3
    for mine, theirs in zip(here, there, strict=True):
        assert mine['name'] == theirs['name']
        for key in ('gt', 'mask', 'label_valid'):
            np.testing.assert_array_equal(mine[key], theirs[key])


def test_pairs_equal_those_of_the_folder(storage: dict[str, Any]) -> None:
    # each image is its own ground truth here, because the test only checks which file is read
    options: dict[str, Any] = dict(split='val', given='img', truth='img', names=NAMES)
    here, there = PairedDataset(str(BUNDLED_DATA), **options), PairedDataset(**options, **storage)
    assert len(there) == 3
    for mine, theirs in zip(here, there, strict=True):
        np.testing.assert_array_equal(mine['gt'], theirs['gt'])
        np.testing.assert_array_equal(theirs['img'], theirs['gt'])


def test_storage_with_a_listing_needs_no_names() -> None:
    storage = dict(data_root=str(BUNDLED_DATA), backend_args=dict(backend='local'))
    assert len(FaceDataset(split='val', **storage)) == len(list((BUNDLED_DATA / 'val' / 'img').iterdir()))


def test_names_are_read_from_a_file(url: str, tmp_path: Path) -> None:
    (tmp_path / 'val.txt').write_text('\n'.join(NAMES[:2]) + '\n', encoding='utf-8')
    options: dict[str, Any] = dict(split='val', data_root=url, backend_args=dict(backend='http'))
    assert [sample['name'] for sample in FaceDataset(names=tmp_path / 'val.txt', **options)] == [
        Path(name).stem for name in NAMES[:2]
    ]
    (tmp_path / 'empty.txt').write_text('\n', encoding='utf-8')
    with pytest.raises(DatasetError, match='lists no file'):
        FaceDataset(names=tmp_path / 'empty.txt', **options)
    with pytest.raises(DatasetError, match=r'none\.txt cannot be read'):
        FaceDataset(names=tmp_path / 'none.txt', **options)


def test_missing_file_is_named(storage: dict[str, Any]) -> None:
    with pytest.raises(ImageFileError, match=r'val/img/nobody\.jpg: (cannot be read from|is not in) the storage'):
        FaceDataset(split='val', names=['nobody.jpg'], **storage)
    if storage['backend_args']['backend'] != 'local':
        with pytest.raises(DatasetError, match=r'the storage .* cannot list its files; list them in `names`'):
            FaceDataset(split='val', **storage)
    with pytest.raises(DatasetError, match=r'names lists nobody\.jpg'):
        FaceDataset(str(BUNDLED_DATA), split='val', names=['nobody.jpg'])

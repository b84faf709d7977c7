import errno
import os
import pickle

import pytest
from processes import file_size_limit

from rainrestore.errors import RainRestoreError, WriteError
from rainrestore.files import check_place, make_folder, whole_file, write_text


def test_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / 'new' / 'a.txt'
    with whole_file(path) as temporary:
        temporary.write_text('one')
        assert not path.exists() and temporary.parent == path.parent and temporary.suffix == '.txt'
    assert path.read_text() == 'one'
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(path.parent) == ['a.txt']


def test_error_keeps_only_the_old_file(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')

    def write():
        with whole_file(path) as temporary:
            temporary.write_text('ne')
            raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'):
        write()
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['a.txt']


def test_link_is_replaced_and_its_target_is_kept(tmp_path):
    (tmp_path / 'target').write_text('kept')
    (tmp_path / 'link').symlink_to(tmp_path / 'target')
    with whole_file(tmp_path / 'link') as temporary:
        temporary.write_text('new')
    assert (tmp_path / 'target').read_text() == 'kept'
    assert (tmp_path / 'link').read_text() == 'new' and not (tmp_path / 'link').is_symlink()


def test_failed_write_names_the_path_and_the_reason(tmp_path):
    (tmp_path / 'file').write_text('here')
    (tmp_path / 'folder').mkdir()
    below, folder = tmp_path / 'file' / 'new' / 'a.png', tmp_path / 'folder'
    for fails, path, number, reason in (
        (lambda: write_text(below, ''), below, errno.ENOTDIR, f'{tmp_path}/file is not a folder'),
        (lambda: make_folder(below), below, errno.ENOTDIR, f'{tmp_path}/file is not a folder'),
        (lambda: check_place(below), below, errno.ENOTDIR, f'{tmp_path}/file is not a folder'),
        (lambda: make_folder(tmp_path / 'file'), tmp_path / 'file', errno.EEXIST, os.strerror(errno.EEXIST)),
        (lambda: write_text(folder, ''), folder, errno.EISDIR, os.strerror(errno.EISDIR)),
        (lambda: check_place(folder), folder, errno.EISDIR, 'it is a folder'),
        (lambda: write_text('/proc/a.txt', ''), '/proc/a.txt', errno.ENOENT, os.strerror(errno.ENOENT)),
    ):
        with pytest.raises(WriteError) as caught:
            fails()
        assert (caught.value.errno, caught.value.filename) == (number, str(path))
        assert str(caught.value) == f'{path}: cannot be written ({reason}); choose another place'
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        assert isinstance(caught.value, RainRestoreError) and isinstance(caught.value, OSError)
    assert sorted(os.listdir(tmp_path)) == ['file', 'folder']
    check_place(tmp_path / 'new' / 'a.png')


def test_real_full_disk_names_the_path(tmp_path):
    """A limit of the file size stands for the size of the disk. The error of a write names no file."""
    path = tmp_path / 'a.txt'
    with file_size_limit(1000), pytest.raises(WriteError) as caught:
        write_text(path, 'x' * 100_000)
    assert str(caught.value) == f'{path}: cannot be written (File too large); free some space, or choose another folder'
    assert os.listdir(tmp_path) == []


def test_error_of_another_file_is_no_failed_write(tmp_path):
    for error in (OSError(errno.EIO, 'Input/output error', 'source.mp4'), OSError('cannot write mode F as PNG')):
        with pytest.raises(OSError, match=r'Input/output|mode F') as caught, whole_file(tmp_path / 'a.txt'):
            raise error
        assert caught.value is error

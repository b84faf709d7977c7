import os

import pytest

from rainrestore.files import whole_file


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

"""The doctor distinguishes ok, warning and missing, and names the command that corrects a problem."""

import argparse
import importlib.util
import json
import shutil
import sys

import pytest
import torch
from zoos import add_model, write_zoo

from rainrestore.cli import doctor
from rainrestore.cli.doctor import Check
from rainrestore.zoo.fetch import cached_file

HEALTHY = {
    'torch': '2.13.0', 'torchvision': '0.28.0', 'onedl-mmengine': '0.10.12', 'mmcv-lite': '2.1.0', 'mmagic': '1.2.0',
    'opencv-python-headless': '5.0.0.93', 'numpy': '2.4.6',
}  # fmt: skip


def without(*names: str, **more: str) -> dict[str, str]:
    installed = {name: version for name, version in HEALTHY.items() if name not in names}
    return installed | {name.replace('_', '-'): version for name, version in more.items()}


@pytest.mark.parametrize('check, installed, state, said', [
    ('mmengine', HEALTHY, 'ok', 'onedl-mmengine 0.10.12'),
    ('mmengine', without('onedl-mmengine', mmengine='0.10.7'), 'ok', 'mmengine 0.10.7'),
    ('mmengine', without(mmengine='0.10.7'), 'warning', 'same folder'),
    ('mmengine', without('onedl-mmengine', mmengine='0.9.1'), 'missing', '>=0.10.7'),
    ('mmengine', without('onedl-mmengine'), 'missing', 'not installed'),
    ('opencv', HEALTHY, 'ok', 'headless'),
    ('opencv', without('opencv-python-headless', opencv_python='5.0.0.93'), 'warning', 'libGL'),
    ('opencv', without(opencv_python='5.0.0.93'), 'warning', 'same folder'),
    ('opencv', without('opencv-python-headless'), 'missing', 'not installed'),
    ('mmcv', HEALTHY, 'ok', 'mmcv-lite 2.1.0'),
    ('mmcv', without('mmcv-lite', mmcv='2.1.0'), 'ok', 'mmcv 2.1.0'),
    ('mmcv', without('mmcv-lite', mmcv='2.2.0'), 'missing', '<2.2'),
    ('mmcv', without(mmcv='2.1.0'), 'warning', 'same folder'),
    ('mmcv', without('mmcv-lite'), 'missing', 'not installed'),
    (doctor.check_mmagic, without('mmagic'), 'missing', 'not installed'),
    (doctor.check_gradio, without(gradio='6.31.0'), 'ok', '6.31.0'),
    (doctor.check_gradio, without(gradio='5.50.0'), 'warning', '>=6.31'),
    (doctor.check_gradio, HEALTHY, 'warning', 'rainrestore web'),
    (doctor.check_torchvision, without('torchvision'), 'missing', 'not installed'),
    (doctor.check_torchvision, without('torchvision', torchvision='0.20.1'), 'warning', '0.28'),
])  # fmt: skip
def test_check_of_an_installed_package_has_the_expected_state(check, installed, state, said):
    found = doctor.check_builds(check, installed) if isinstance(check, str) else check(installed)
    assert (found.state, bool(found.mend)) == (state, state != 'ok')
    assert said in found.detail


def test_absent_package_is_an_error_and_absent_extra_is_a_warning():
    assert doctor.check_package('numpy', HEALTHY).state == 'ok'
    assert doctor.check_package('pillow', HEALTHY).state == 'missing'
    assert doctor.check_package('lpips', HEALTHY, 'the LPIPS metric').state == 'warning'


@pytest.mark.parametrize('states, code', [(['ok', 'warning'], 0), (['ok', 'missing'], 1)])
@pytest.mark.parametrize('as_json', [False, True])
def test_report_and_exit_code_agree(monkeypatch, capsys, states, code, as_json):
    mends = {'ok': '', 'warning': 'do this', 'missing': 'do this'}
    checks = [Check(f'part{n}', state, 'so it is', mends[state]) for n, state in enumerate(states)]
    monkeypatch.setattr(doctor, 'examine', lambda: checks)
    assert doctor.run(argparse.Namespace(json=as_json)) == code
    printed = capsys.readouterr().out
    if as_json:
        assert json.loads(printed) == {'ok': code == 0, 'checks': [vars(check) for check in checks]}
    else:
        assert printed.count('do this') == 1
        lines = [line.split()[:2] for line in printed.splitlines()[:2]]
        assert lines == [[state, f'part{n}'] for n, state in enumerate(states)]


def test_failed_import_of_torch_counts_as_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch', None)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: object())
    found = doctor.check_torch()
    assert (found.state, 'does not import' in found.detail) == ('missing', True)


def test_failed_import_of_mmagic_counts_as_missing_with_its_reason(monkeypatch, tmp_path):
    (tmp_path / 'mmagic').mkdir()
    (tmp_path / 'mmagic' / '__init__.py').write_text('raise ImportError("mmcv is too new")')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    found = doctor.check_mmagic(HEALTHY)
    assert (found.state, found.detail) == ('missing', '1.2.0 does not import: ImportError: mmcv is too new')


def test_slow_import_of_mmagic_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor, 'IMPORT_TIMEOUT', 0.01)
    found = doctor.check_mmagic(HEALTHY)
    assert (found.state, found.detail) == ('warning', '1.2.0: not imported after 0.01 s')
    assert 'again when the machine is less busy' in found.mend


def test_changed_and_absent_checkpoints_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv('RAINRESTORE_CACHE', str(tmp_path / 'cache'))
    monkeypatch.delenv('RAINRESTORE_ZOO_URL', raising=False)
    entries = [
        add_model(tmp_path, name, {'weight': torch.zeros(2)}) for name in ('good', 'damaged', 'cached', 'absent')
    ]
    write_zoo(tmp_path, *entries)
    (tmp_path / 'damaged.safetensors').write_bytes(b'weighty')
    kept = cached_file('cached.safetensors', entries[2]['SHA256'])
    kept.parent.mkdir(parents=True)
    (tmp_path / 'cached.safetensors').rename(kept)
    (tmp_path / 'absent.safetensors').unlink()
    found = {check.name: check for check in doctor.check_zoo(tmp_path)}
    states = {name: check.state for name, check in found.items()}
    assert states == {'good': 'ok', 'damaged': 'warning', 'cached': 'ok', 'zoo': 'warning'}
    assert found['zoo'].detail.endswith('absent')
    monkeypatch.setenv('RAINRESTORE_ZOO_URL', 'https://example.org/zoo')
    assert {check.name: check.state for check in doctor.check_zoo(tmp_path)}['zoo'] == 'ok'


def test_zoo_with_a_missing_or_damaged_index_is_a_warning(tmp_path):
    assert [check.state for check in doctor.check_zoo(tmp_path)] == ['warning']
    (tmp_path / 'model-index.yml').write_text('Models: [3')
    assert [check.state for check in doctor.check_zoo(tmp_path)] == ['warning']


def test_faces_of_the_chosen_data_folder_are_counted(face_folder, tmp_path):
    found = doctor.check_data(str(face_folder))
    assert (found.state, '(train 6, val 3, test 3)' in found.detail) == ('ok', True)
    assert doctor.check_data(str(tmp_path / 'nowhere')).state == 'warning'
    for split in ('train', 'val', 'test'):
        shutil.rmtree(face_folder / split / 'img')
    assert 'no images' in doctor.check_data(str(face_folder)).detail


def test_default_data_are_the_bundled_faces():
    found = doctor.check_data(None)
    assert (found.state, found.detail.startswith('bundled')) == ('ok', True)


@pytest.mark.slow
def test_test_environment_has_no_problem_except_absent_extras(capsys):
    code = doctor.run(argparse.Namespace(json=True))
    printed = json.loads(capsys.readouterr().out)
    missing = {check['name'] for check in printed['checks'] if check['state'] == 'missing'}
    optional = ('mmagic', 'mmcv', 'torchvision')
    assert missing == {name for name in optional if importlib.util.find_spec(name) is None}
    assert code == bool(missing)

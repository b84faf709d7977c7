"""``rainrestore zoo``: output, downloads, and detected differences."""

import json
import re
from pathlib import Path

import pytest
import torch
from zoos import add_model, write_zoo

from rainrestore.audit import Audit, Gain, LayersAudit, SlotAudit
from rainrestore.cli.main import main
from rainrestore.errors import RunError
from rainrestore.zoo import measurements
from rainrestore.zoo.index import Zoo, models, read_index

DATASETS = [{'Name': 'CelebA', 'Faces': 4}, {'Name': 'portraits', 'Faces': 50}]
LICENCES = {'LicenseRef-drawn': 'Drawn by hand; ask first.'}


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    """A model and its part, with measurements, and the enlarged input."""
    weights = {'generator.weight': torch.zeros(2)}
    part = add_model(tmp_path, 'hrrm', {'rain_removal.weight': torch.ones(2)}, Config='configs/hrrm_x4.py')
    results = [
        {'Dataset': 'CelebA', 'Metrics': {'PSNR': 22.5, 'SSIM': 0.7}},
        {'Dataset': 'portraits', 'Metrics': {'PSNR': 21.5, 'SSIM': 0.6}},
    ]
    whole = add_model(
        tmp_path,
        'whole',
        weights,
        Task='Face restoration',
        Metadata={'Faces': 1234, 'Seed': 2022, 'Commands': ['python tools/train.py it']},
        Results=results,
        Parts={'rain_removal': 'hrrm'},
        Licence='LicenseRef-drawn',
    )
    metrics = [{'Dataset': 'portraits', 'Metrics': {'PSNR': 13.88}}]
    bicubic = 'configs/references/bicubic_x4.py'
    enlarged = {'Name': 'bicubic', 'Title': 'enlarged', 'Config': bicubic, 'Checkpoint': 'none'}
    away = {'Name': 'away', 'Title': 'away', 'Config': 'configs/srgan/srgan_x4.py', 'Checkpoint': 'work_dirs/a.pth'}
    sections = {'Datasets': DATASETS, 'Licences': LICENCES, 'References': [enlarged | {'Results': metrics}, away]}
    small = write_zoo(tmp_path, whole, part, **sections)
    monkeypatch.setattr(Zoo, 'bundled', lambda: small)
    monkeypatch.setenv('RAINRESTORE_CACHE', str(tmp_path / 'cache'))
    monkeypatch.delenv('RAINRESTORE_ZOO_URL', raising=False)
    return small


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, dict[str, float]]:
    """Prepared results replace slow tests of a model."""
    given = {'portraits128': {'PSNR': 21.503, 'SSIM': 0.60012}, 'celeba': {'PSNR': 22.5, 'SSIM': 0.7}}

    def measure(entry, dataset, data, out, metrics=()):
        assert data.name == {'portraits': 'portraits128', 'CelebA': 'celeba'}[dataset]
        return dict(given[data.name])

    (tmp_path / 'faces' / 'celeba').mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measurements, 'measure', measure)
    monkeypatch.setattr(measurements, 'lpips_problem', lambda: 'LPIPS needs a package')
    monkeypatch.setattr(measurements, 'measure_audit', measure_audit)
    return given


def measure_audit(entry, data, cheap=False):
    """Replaces an audit: a parser with a gain over its ablation, and one small layer of two."""
    gains = {} if cheap else {'mean': {'PSNR': Gain(0.5, 0.4, 0.6)}}
    layers = LayersAudit(2, {'generator.tail': 0.0}, {'generator': (1, 2)}, ('generator.tail',))
    return Audit(entry['Name'], str(data), 4, {'PSNR': 20.0}, [SlotAudit('parser', gains)], layers)


def test_list_and_show_print_the_models(zoo, capsys):
    assert main(['zoo', 'list']) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ['name', 'task', 'CelebA', 'portraits', 'size', 'file']
    assert re.split(r'  +', printed[1]) == [
        *('whole', 'Face restoration', '22.50 / 0.7000 / -', '21.50 / 0.6000 / -', '0.0 MB', 'bundled')
    ]
    (zoo.files / 'hrrm.safetensors').unlink()
    assert main(['zoo', 'list']) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[-1] == 'remote'
    assert main(['zoo', 'show', 'whole']) == 0
    printed = capsys.readouterr().out
    for said in ('1,234', 'Drawn by hand; ask first.', 'rain_removal of hrrm', 'PSNR 21.50, SSIM 0.6000', 'train.py it',
                 models(zoo)['whole']['SHA256']):  # fmt: skip
        assert said in printed
    assert main(['zoo', 'show', 'hrrm']) == 0
    assert 'no download address: set RAINRESTORE_ZOO_URL' in capsys.readouterr().out


def test_download_includes_the_parts(zoo, tmp_path, monkeypatch, capsys):
    away = tmp_path / 'away'
    away.mkdir()
    for name in ('whole', 'hrrm'):
        (zoo.files / f'{name}.safetensors').rename(away / f'{name}.safetensors')
    assert main(['zoo', 'download', 'whole']) == 2
    assert 'RAINRESTORE_ZOO_URL' in capsys.readouterr().err
    monkeypatch.setenv('RAINRESTORE_ZOO_URL', away.as_uri())
    assert main(['zoo', 'download', 'whole']) == 0
    files = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert files.keys() == {'whole', 'hrrm'}
    assert all(Path(file).is_file() and Path(file).parent == tmp_path / 'cache' / 'zoo' for file in files.values())
    monkeypatch.delenv('RAINRESTORE_ZOO_URL')
    assert main(['zoo', 'download', '--all']) == 0
    assert main(['zoo', 'list']) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith('cached')


def test_verify_accepts_rounding_and_rejects_another_value(zoo, measured, capsys, tmp_path):
    verify = ['zoo', 'verify', 'whole', '--data', 'faces/celeba']
    assert main(verify) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary['differing'] == []
    assert summary['models']['whole']['portraits']['PSNR'] == [21.5, 21.503]
    measured['portraits128']['SSIM'] = 0.6003
    assert main(verify) == 1
    printed = capsys.readouterr().out
    assert json.loads(printed.splitlines()[-1])['differing'] == ['whole portraits SSIM']
    row = next(line for line in printed.splitlines() if 'DIFFERS' in line)
    assert row.split() == ['whole', 'portraits', 'SSIM', '0.6000', '0.60030', 'DIFFERS']
    del measured['portraits128']['SSIM']
    assert main(verify) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])['not_measured'] == ['whole portraits SSIM']


def test_verify_all_continues_after_a_damaged_file_and_reports_it(zoo, measured, capsys):
    path = zoo.files / 'hrrm.safetensors'
    path.write_bytes(path.read_bytes()[:-1] + b'x')
    measured['portraits128'] = {'PSNR': 13.88}
    assert main(['zoo', 'verify', '--all']) == 1
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    # The complete model is composed from the damaged part.
    assert summary['differing'] == ['whole sha256', 'hrrm sha256']
    assert summary['models']['bicubic']['portraits']['PSNR'] == [13.88, 13.88]
    assert 'away' not in summary['models']


def test_evaluate_writes_only_the_measured_results(zoo, measured, capsys):
    before = read_index(zoo)
    measured['portraits128'] |= {'LPIPS': 0.123456, 'PSNR_crop4': 20.987, 'mIoU': 0.23456}
    assert main(['zoo', 'evaluate', 'whole', 'bicubic']) == 0
    after = read_index(zoo)
    results = {result['Dataset']: result['Metrics'] for result in models(zoo)['whole']['Results']}
    assert results == {
        'CelebA': {'PSNR': 22.5, 'SSIM': 0.7},
        'portraits': {'PSNR': 21.5, 'SSIM': 0.6001, 'LPIPS': 0.1235, 'PSNR_crop4': 20.99, 'mIoU': 0.235},
    }
    assert after['References'][0]['Results'][0]['Metrics']['PSNR'] == 21.5
    assert (after['Models'][1], after['References'][1]) == (before['Models'][1], before['References'][1])
    assert main(['zoo', 'verify', 'whole']) == 0
    assert 'not measured: LPIPS needs a package' in capsys.readouterr().out
    assert main(['zoo', 'evaluate', 'hrrm', '--data', 'faces/celeba']) == 0
    assert [result['Dataset'] for result in models(zoo)['hrrm']['Results']] == ['CelebA', 'portraits']


def test_audit_is_stored_shown_and_verified(zoo, measured, capsys, monkeypatch):
    before = read_index(zoo)
    assert main(['zoo', 'audit', 'whole', '--data', 'faces/celeba']) == 0
    findings = {
        'parser': 'gain 0.50 dB (0.40 to 0.60) over its mean output',
        'layers': '1 of 2 below 1/100 of their initial size: 1 of 2 in generator',
        'small layers': '1 of 1 without effect',
    }
    printed = capsys.readouterr().out
    assert json.loads(printed.splitlines()[-1]) == {'data': 'CelebA', 'audits': {'whole': findings}}
    assert models(zoo)['whole']['Audit'] == {'Dataset': 'CelebA', 'Findings': findings}
    assert {**models(zoo)['whole'], 'Audit': None} == {**before['Models'][0], 'Audit': None}
    verify = ['zoo', 'verify', 'whole', '--data', 'faces/celeba']
    assert main(verify) == 0
    printed = capsys.readouterr().out
    assert 'whole layers: 1 of 2 below 1/100 of their initial size: 1 of 2 in generator' in printed
    assert json.loads(printed.splitlines()[-1])['audits'] == {
        'whole': {key: findings[key] for key in ('layers', 'small layers')}
    }
    living = LayersAudit(2, {}, {'generator': (0, 2)})
    monkeypatch.setattr(
        measurements, 'measure_audit', lambda *_, **__: Audit('whole', '', 4, {'PSNR': 20.0}, [], living)
    )
    assert main(verify) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])['differing'] == ['whole audit']


@pytest.mark.usefixtures('in_this_process')
def test_other_faces_than_those_of_the_index_are_refused(zoo, face_folder, tmp_path):
    entry = read_index(zoo)['References'][0]
    with pytest.raises(RunError, match='has 3 test faces, expected 50'):
        measurements.measure(entry, 'portraits', face_folder, tmp_path / 'out')
    assert (tmp_path / 'out' / 'bicubic' / 'portraits' / 'per_image.csv').is_file()


def test_failed_test_is_named_with_its_error(zoo, tmp_path):
    with pytest.raises(RunError, match=r'the test of .*config\.py failed: .*empty'):
        measurements.measure(read_index(zoo)['References'][0], 'portraits', tmp_path / 'empty', tmp_path / 'out')


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['verify'], 'expected either names or --all'),
        (['download', 'whole', '--all'], 'expected either names or --all'),
        (['verify', 'whole', '--data', 'away'], '--data away: no such folder; expected a data set'),
        (['evaluate', 'whole', '--data', 'away'], '--data away: no such folder; expected a data set'),
        (['verify', 'hole'], "no model or reference is named 'hole'; there are whole, hrrm, bicubic, away"),
        (['show', 'hole'], "no zoo model is named 'hole' (did you mean 'whole'?)"),
    ],
)
def test_wrong_arguments_are_named(zoo, words, message, capsys):
    assert main(['zoo', *words]) == 2
    assert message in capsys.readouterr().err

"""The bundled zoo: complete index, undamaged weights that fit their configs, and the stated results."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import yaml

from rainrestore.apis.photos import ESTIMATOR, HEAVY_ESTIMATOR, SCENES
from rainrestore.apis.purpose import TASKS
from rainrestore.checkpoints import load_weights
from rainrestore.cli.main import main
from rainrestore.engine.config import load_config
from rainrestore.files import sha256_of
from rainrestore.registry import MODELS
from rainrestore.zoo.files import file_state, with_parts, zoo_file
from rainrestore.zoo.index import INDEX_NAME, Zoo, index_text, models, read_index
from rainrestore.zoo.measurements import HEADLINES
from rainrestore.zoo.training_log import read_log

pytest.importorskip('mmagic')
ROOT = Path(__file__).resolve().parents[1]
DEFAULT = 'fcg_gan_x4'
#: The maximum size of the weights in a wheel.
MAX_BYTES = 40_000_000
#: The maximum size of all weights in the repository.
MOST_BYTES = 200_000_000


def test_index_has_the_format_that_the_program_writes() -> None:
    assert Zoo.bundled().index == ROOT / INDEX_NAME
    text = (ROOT / INDEX_NAME).read_text(encoding='utf-8')
    without_comment = text[text.index('Collections:') :]
    assert index_text(yaml.safe_load(text)) == without_comment, (
        'publish and evaluate would change more than they have to'
    )


@pytest.mark.parametrize('name', sorted(models()))
def test_entry_is_complete(name: str) -> None:
    entry, index = models()[name], read_index()
    metadata = entry['Metadata']
    wanted = (
        'Training Data',
        'Faces',
        'Seed',
        'Hardware',
        'Hours',
        'Training Config',
        'Parameters',
        'Commands',
        *(['Rain'] if entry['Task'] not in ('Face renovation', 'Raindrop removal') else []),
    )
    assert not [key for key in wanted if key not in metadata]
    assert (ROOT / metadata['Training Config']).is_file()
    assert all(other in models() for other in metadata.get('Pretrained', []))
    assert any(metadata['Training Config'] in command for command in metadata['Commands'])
    assert entry['In Collection'] and entry['Licence'] in index['Licences']
    assert [result['Dataset'] for result in entry['Results']] == [data['Name'] for data in index['Datasets']]
    assert all(HEADLINES[entry['Task']][0] in result['Metrics'] for result in entry['Results'])
    runs = read_log(Zoo.bundled().files / entry['Log'])
    assert all('loss' in curves for _, curves in runs)


@pytest.mark.parametrize('name', [name for name, entry in models().items() if file_state(entry) == 'bundled'])
def test_bundled_weights_are_complete_and_fit_their_config(name: str) -> None:
    entry, file = models()[name], zoo_file(name)
    assert file.stat().st_size == entry['Bytes']
    assert sha256_of(file) == entry['SHA256']
    model = MODELS.build(load_config(ROOT / entry['Config']).model)
    load_weights(model, f'rainrestore://{name}')


def test_models_in_a_wheel_are_small_and_need_no_download() -> None:
    carried = {name: entry for name, entry in models().items() if entry.get('In Wheel')}
    used = {ESTIMATOR, HEAVY_ESTIMATOR, SCENES, *(task.model for task in TASKS.values())}
    assert {DEFAULT, *used} <= carried.keys()
    assert all(file_state(entry) == 'bundled' for entry in carried.values())
    for name, entry in carried.items():
        # The configs start from these pretrained models.
        assert {*with_parts(name), *entry['Metadata'].get('Pretrained', [])} <= carried.keys()
    assert sum(entry['Bytes'] for entry in carried.values()) <= MAX_BYTES


def test_gate_of_the_mixture_is_better_than_any_constant_weight(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = ROOT / 'tools' / 'benchmarks' / 'benchmark_mixture.py'
    monkeypatch.setattr(sys, 'argv', [str(script), '--faces', '16'])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name='__main__')
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])['PSNR_lr_img']
    gate = found.pop('gate')
    assert gate[-1] > max(mean for *_, mean in found.values()) + 0.5
    # The experts alone.
    heavy, anything = found['1.0'], found['0.0']
    assert gate[0] > anything[0] + 2 and gate[1] > heavy[1] + 2


def test_size_of_all_weights_is_bounded() -> None:
    files = list(Zoo.bundled().files.iterdir())
    assert sum(file.stat().st_size for file in files) <= MOST_BYTES
    named = {entry[key] for entry in models().values() for key in ('Weights', 'Log')}
    assert {file.name for file in files} <= named, 'files that no entry names'


def test_bundled_network_reaches_the_stated_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # measurements.TOLERANCE has the allowed difference.
    assert main(['zoo', 'verify', DEFAULT, '--out', str(tmp_path)]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary['differing'] == []
    assert {'PSNR', 'SSIM'} <= summary['models'][DEFAULT]['portraits'].keys()

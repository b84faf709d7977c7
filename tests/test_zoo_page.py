"""model_zoo.md and the README agree with the index."""

import copy
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from rainrestore.errors import ConfigError
from rainrestore.zoo.index import Zoo, models, read_index, write_index
from rainrestore.zoo.page import CURVES, PAGE, TABLES, TEMPLATE, draw_curve, outdated, page_text, write_page

ROOT = Path(__file__).resolve().parents[1]


def copied(folder: Path) -> Zoo:
    """The zoo's index, template, page and curves in another checkout, with the files of this one."""
    shutil.copytree(ROOT / CURVES, folder / CURVES)
    for name in ('model-index.yml', PAGE, TEMPLATE, f'docs/{TABLES}'):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return Zoo(folder / 'model-index.yml', Zoo.bundled().files)


def test_page_and_curves_are_up_to_date() -> None:
    assert outdated() == [], 'rainrestore zoo page updates them'


def test_page_follows_the_index(tmp_path: Path) -> None:
    zoo = copied(tmp_path)
    missing = [tmp_path / CURVES / 'hrrm_x4.png', tmp_path / PAGE]
    for path in missing:
        path.unlink()
    assert write_page(zoo) == missing
    assert (tmp_path / PAGE).read_bytes() == (ROOT / PAGE).read_bytes()
    assert outdated(zoo) == []
    index = copy.deepcopy(read_index(zoo))
    measurements = index['Models'][0]['Results'][0]['Metrics']
    assert f'| {measurements["PSNR"]:.2f} / ' in (tmp_path / PAGE).read_text(encoding='utf-8')
    measurements |= {'PSNR': 77.71, 'LPIPS': 0.12345}
    index['Models'][0]['Audit'] = {'Dataset': 'CelebA', 'Findings': {'face_parser': 'no gain: 0.00 dB'}}
    write_index(index, zoo)
    assert outdated(zoo) == [tmp_path / PAGE]
    assert write_page(zoo) == [tmp_path / PAGE]
    written = (tmp_path / PAGE).read_text(encoding='utf-8')
    assert '\n- audit on CelebA:\n  - `face_parser`: no gain: 0.00 dB\n' in written
    row = next(line for line in written.splitlines() if '77.71' in line)
    assert re.match(r'\| `rainrestore://fcg_gan_x4` \| 60,000 \| 77\.71 / 0\.\d{4} \| 0\.1235 \|', row)


def test_each_task_has_its_own_table(tmp_path: Path) -> None:
    zoo = copied(tmp_path)
    index = copy.deepcopy(read_index(zoo))
    restored = page_text(zoo, "{{ results('Face restoration') }}").splitlines()
    index['References'][0]['Task'] = index['Models'][0]['Task'] = 'Face swapping'
    write_index(index, zoo)
    head, *rows = page_text(zoo, "{{ results('Face swapping') }}").splitlines()[1:]
    moved = [index['References'][0]['Title'], f'`rainrestore://{index["Models"][0]["Name"]}`']
    assert [row.split(' | ')[0].removeprefix('| ') for row in rows[1:]] == moved
    left = page_text(zoo, "{{ results('Face restoration') }}").splitlines()[1:]
    assert left == [row for row in restored[1:] if row.split(' | ')[0].removeprefix('| ') not in moved]
    assert left[0] == head


def test_curve_is_small_and_drawn_again_for_another_log(tmp_path: Path) -> None:
    for name in models():
        assert (ROOT / CURVES / f'{name}.png').stat().st_size < 40_000
    zoo = copied(tmp_path)
    curve = tmp_path / CURVES / 'hrrm_x4.png'
    draw_curve(zoo.files / models(zoo)['fpm_x4']['Log'], curve)
    assert outdated(zoo) == [curve]
    with Image.open(curve) as image:
        assert image.width == 560


def test_template_with_an_error_is_named(tmp_path: Path) -> None:
    zoo = copied(tmp_path)
    for mark, missing in {
        "{{ measured('fcg_gan_x4', 'CelebA', 'MAE') }}": "KeyError('MAE')",
        '{{ weather() }}': "'weather' is undefined",
        '{{ faces() }}': 'missing 1 required positional argument',
        "{{ results('Face swapping') }}": 'Face swapping',
        "{{ comparisons('fpm_x4') }}": 'no comparison of fpm_x4',
        '{% for': 'TemplateSyntaxError',
    }.items():
        with pytest.raises(ConfigError, match=re.escape(missing)) as caught:
            page_text(zoo, f'Here: {mark}.')
        assert str(caught.value).startswith(TEMPLATE)
    index = {key: value for key, value in read_index(zoo).items() if key != 'Comparisons'}
    write_index(index, zoo)
    with pytest.raises(ConfigError, match='Comparisons'):
        page_text(zoo, "{{ comparisons('fcg_gan_x4') }}")
    (tmp_path / TEMPLATE).unlink()
    with pytest.raises(ConfigError, match='the page can only be written in a clone'):
        write_page(zoo)


def test_no_result_is_written_by_hand() -> None:
    """PSNR has two decimals, SSIM and LPIPS four; 0.72 dB is a value of the paper."""
    prose = (ROOT / TEMPLATE).read_text(encoding='utf-8')
    assert set(re.findall(r'\b\d+\.\d{2,4}\b', prose)) == {'0.72'}


def test_front_page_has_only_results_of_the_index() -> None:
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    index = read_index()
    results = [result for entry in (*index['Models'], *index['References']) for result in entry.get('Results', [])]
    stated = {f'{value:.2f}' for result in results for key, value in result['Metrics'].items() if 'PSNR' in key}
    assert set(re.findall(r'\d+\.\d\d\b(?= dB)', readme)) <= stated


def test_recommended_models_have_a_use_in_the_index(tmp_path: Path) -> None:
    zoo = copied(tmp_path)
    index = copy.deepcopy(read_index(zoo))
    for entry in index['Models']:
        entry.pop('Use', None)
    index['Models'][1] |= {'Use': 'Faces in snow', 'Picture': 'docs/images/snow.png'}
    index['Models'][1]['Metadata'] |= {'Parameters': 1_234_567, 'Milliseconds': 8.5}
    write_index(index, zoo)
    name = index['Models'][1]['Name']
    licence = index['Models'][1]['Licence'].removeprefix('LicenseRef-')
    rows = page_text(zoo, '{{ choices() }}').splitlines()[3:]
    assert rows == [
        f'| Faces in snow | [`{name}`](#{name}) | 1.23 M | 8.5 | {licence} | [image](docs/images/snow.png) |'
    ]


def test_images_of_the_recommended_models_exist() -> None:
    chosen = [entry for entry in read_index()['Models'] if 'Use' in entry]
    assert chosen and all((ROOT / entry['Picture']).is_file() for entry in chosen)

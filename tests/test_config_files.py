"""The config folder: one place per config, names that are found from any folder, and suggestions."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from narrow import narrow

from rainrestore.benchmark import load_benchmark
from rainrestore.cli.main import main
from rainrestore.config_files import (
    check_same_config,
    default_work_dir,
    find_file,
    modules_beside,
    packaged_files,
    write_merged,
)
from rainrestore.engine.config import load_config
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.suggest import _REPLACED_BY, REPLACES
from rainrestore.zoo.index import zoo_entry

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
FILES = sorted(CONFIGS.rglob('*.py'))


def bases(path: Path) -> list[Path]:
    """The files that a config names in ``_base_``."""
    for statement in ast.parse(path.read_text(encoding='utf-8')).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == '_base_':
            named = ast.literal_eval(statement.value)
            return [(path.parent / name).resolve() for name in ([named] if isinstance(named, str) else named)]
    return []


def depth(path: Path) -> int:
    return 1 + max(map(depth, bases(path)), default=0)


def test_no_two_configs_have_the_same_name() -> None:
    stems = [path.stem for path in FILES if '_base_' not in path.parts]
    assert len(stems) == len(set(stems)) > 80


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_config_has_at_most_four_files(path: Path) -> None:
    assert depth(path) <= 4


def test_page_of_a_method_names_each_of_its_configs() -> None:
    """Only the three configs that users start with are outside the method folders."""
    assert {path.stem for path in CONFIGS.glob('*.py')} == {'fcg_gan_x4', 'hrrm_x4', 'fpm_x4'}
    for folder in [path for path in CONFIGS.iterdir() if path.is_dir() and path.name not in ('_base_', '__pycache__')]:
        text = (folder / 'README.md').read_text(encoding='utf-8')
        assert [path.name for path in folder.glob('*.py') if f'`{path.stem}`' not in text] == []
        assert len(text.splitlines()) <= 50


def test_shared_modules_are_equal_in_all_models() -> None:
    """Each file in ``_base_/models`` has a whole network, so several files contain the same modules."""
    fcg_gan, hrrm, fpm, srgan, stage_1, stage_2 = (
        load_config(name).model
        for name in ('fcg_gan_x4', 'hrrm_x4', 'fpm_x4', 'srgan_x4', 'heavy_rain_removal_stage1_x4',
                     'heavy_rain_removal_x4')
    )  # fmt: skip
    assert fcg_gan.rain_removal == fpm.rain_removal == {**hrrm.rain_removal, 'init_cfg': fpm.rain_removal.init_cfg}
    assert {**fpm.face_parser, 'init_cfg': fcg_gan.face_parser.init_cfg} == fcg_gan.face_parser
    assert all(srgan[key] == fcg_gan[key] for key in srgan)
    assert stage_1.rain_removal == stage_2.rain_removal
    assert stage_1.parameter_loss == stage_2.rain_loss


def test_schedule_ends_with_the_training() -> None:
    """Every schedule ends at the last iteration of train_cfg."""
    ends = {}
    for name in packaged_files():
        config = load_config(name)
        if schedules := config.get('param_scheduler'):
            last = config.train_cfg.max_iters
            listed = schedules if isinstance(schedules, list) else [schedules]
            ends[name] = {schedule.get('end', last) - last for schedule in listed}
    assert len(ends) > 20 and {name for name, differences in ends.items() if differences != {0}} == set()


def test_cosine_reaches_its_minimum_at_the_last_iteration() -> None:
    from mmengine.optim.scheduler import CosineAnnealingLR

    schedule = load_config('hrrm_x4_short').param_scheduler
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    options = {key: value for key, value in schedule.items() if key != 'type'}
    cosine = CosineAnnealingLR(optimizer, **options, end=600)
    rates = []
    for _ in range(600):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        cosine.step()
    assert rates[0] == 1e-3 and rates == sorted(rates, reverse=True)
    assert optimizer.param_groups[0]['lr'] == pytest.approx(1e-5, rel=1e-3)


@pytest.mark.parametrize('kind', ['configs', 'benchmarks'])
def test_config_name_is_found_from_any_folder(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, path in packaged_files(kind).items():
        below = path.relative_to(ROOT).as_posix()
        assert find_file(name, kind) == find_file(below, kind) == path
        # a file in the working directory comes first
        Path(name).touch()
        assert find_file(name, kind) == Path(name)


@pytest.mark.parametrize('name', ['srgan_x4', 'hifacegan_noise_128', 'paper/fcg_gan_x4'])
def test_config_in_another_folder_is_suggested(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = packaged_files()[Path(name).stem].relative_to(ROOT).as_posix()
    for path in (f'configs/{name}.py', f'/some/clone/configs/{name}.py'):
        with pytest.raises(ConfigError) as error:
            find_file(path)
        assert str(error.value) == f'{path}: no such config (did you mean {place!r}?)'
    assert find_file(place).is_file()


def test_moved_base_is_suggested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'mine.py').write_text("_base_ = 'configs/srgan_x4.py'\n")
    assert main(['train', str(tmp_path / 'mine.py')]) == 2
    error = capsys.readouterr().err
    assert "a base of this package: 'rainrestore::srgan_x4.py'" in error and error.count('\n') == 1
    (tmp_path / 'mine.py').write_text("_base_ = 'rainrestore::srgan_x4.py'\n")
    assert load_config(tmp_path / 'mine.py').model == load_config('srgan_x4').model


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ("_base_ = 'none.py'", "none.py; a base of this package: 'rainrestore::fcg_gan_x4.py'"),
        ("_base_ = 'configs/hrrm_x4.py'", "hrrm_x4.py; a base of this package: 'rainrestore::hrrm_x4.py'"),
        ("_base_ = 'fcg_gan_x4'", "no file {folder}/fcg_gan_x4; a base of this package: 'rainrestore::fcg_gan_x4.py'"),
        ("_base_ = 'benchmarks/table1.py'", "a base of this package: 'rainrestore::benchmarks/table1.py'"),
        ("_base_ = 'configs/srgan_x4.py'", "srgan_x4.py; a base of this package: 'rainrestore::srgan_x4.py'"),
        ("_base_ = 'rainrestore::none.py'", '_base_: rainrestore::none.py: no such config'),
        ("_base_ = 'rainrestore::'", '_base_: rainrestore::: no such config'),
        ("_base_ = 'rainrestore::table1'", 'it is a benchmark, for rainrestore benchmark'),
        ("_base_ = 'rainrestore::benchmarks/tabel1'", "no such benchmark (did you mean 'table1'?)"),
        ('_base_ = 5', '_base_: 5 is not the path or the name of a config'),
        ("_base_ = 'no_such_package::a/none.py'", 'mmengine does not support to load no_such_package'),
        ("_base_ = ['rainrestore::fcg_gan_x4.py', 'rainrestore::srgan_x4']", 'Duplicate key'),
        ("_base_ = 'rainrestore::fcg_gan_x4.py'\nmodel = _base_.modle", 'modle'),
        ('model = dict(', 'SyntaxError'),
        ('model = missing', "name 'missing' is not defined"),
        ("custom_imports = dict(imports=['no_such_module'])", "No module named 'no_such_module'"),
        ("custom_imports = ['mine']", "custom_imports = dict(imports=['mine'])"),
        ("custom_imports = dict(imports=['misspelt_beside'])", "cannot import name 'Unett' from 'rainrestore.models'"),
        ('rate = 1 / 0', 'division by zero'),
    ],
)
def test_error_for_an_unreadable_config_is_one_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'mine.py').write_text(text + '\n')
    (tmp_path / 'misspelt_beside.py').write_text('from rainrestore.models import Unett\n')
    assert main(['train', str(tmp_path / 'mine.py')]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'mine.py' in error and message.format(folder=tmp_path) in error


def test_suggested_base_can_be_loaded(tmp_path: Path) -> None:
    (tmp_path / 'mine.py').write_text("_base_ = 'configs/zoo/srgan_x4.py'\n")
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path / 'mine.py')
    base = re.findall("'rainrestore::.+?'", str(error.value))[0]
    (tmp_path / 'mine.py').write_text(f'_base_ = {base}\n')
    assert load_config(tmp_path / 'mine.py').to_dict() == load_config('srgan_x4').to_dict()


def test_benchmark_is_inherited_and_printed_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / 'mine.py'
    mine.write_text(
        "_base_ = 'rainrestore::benchmarks/table1'\nmethods = dict(mine=dict(label='M', config='hrrm_x4'))\n"
    )
    own = load_benchmark('table1').methods
    assert load_benchmark(str(mine)).methods.keys() == {*own, 'mine'}
    assert main(['config', 'table1', '-o', str(tmp_path / 'copy.py')]) == 0
    assert load_benchmark(str(tmp_path / 'copy.py')).methods == own
    capsys.readouterr()
    assert main(['config', 'table1', '--cfg-options', 'title=x']) == 2
    assert 'table1 is a benchmark' in capsys.readouterr().err


def test_only_a_printed_config_is_laid_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The layout takes longer than reading the config."""
    from yapf.yapflib import yapf_api

    laid_out = []
    original = yapf_api.FormatCode
    monkeypatch.setattr(
        yapf_api, 'FormatCode', lambda text, **options: laid_out.append(text) or original(text, **options)
    )
    config = load_config('srgan_x4', {'train_cfg.max_iters': 7})
    text = config.pretty_text
    assert not laid_out
    assert Config.fromstring(text, '.py').to_dict() == config.to_dict()
    assert main(['config', 'srgan_x4', '--cfg-options', 'train_cfg.max_iters=7']) == 0
    printed = capsys.readouterr().out
    assert laid_out == [text]
    assert 'data_root = None\n' in printed
    assert Config.fromstring(printed, '.py').to_dict() == config.to_dict()


def test_merged_config_works_without_its_source_folder(tmp_path: Path) -> None:
    """Runs in another process, whose Python path does not have the folder."""
    source = tmp_path / 'source'
    (source / 'merged_package').mkdir(parents=True)
    (source / 'merged_package' / '__init__.py').write_text('')
    (source / 'merged_package' / 'latin.py').write_bytes(b'# coding: latin-1\n# \xe4\nimport merged_other\n')
    (source / 'merged_package' / 'template.py').write_text('class {name}:')
    (source / 'merged_other.py').write_text('')
    (source / 'merged_unused.py').write_text('')
    (source / 'merged_part.py').write_text('import torch\nimport merged_package\n')
    (source / 'mine.py').write_text("_base_ = 'rainrestore::hrrm_x4'\ncustom_imports = dict(imports='merged_part')\n")
    config = load_config(source / 'mine.py')
    names = [path.name for path in modules_beside(config, source / 'mine.py')]
    assert names == ['merged_other.py', 'merged_package', 'merged_part.py']
    for _ in range(2):
        write_merged(config, source / 'mine.py', tmp_path / 'run' / 'config.py')
    shutil.rmtree(source)
    read = 'from pathlib import Path; from rainrestore.config_files import read_config; read_config(Path({!r}))'
    program = read.format(str(tmp_path / 'run' / 'config.py'))
    subprocess.run([sys.executable, '-c', program], check=True, cwd=ROOT)
    assert not (tmp_path / 'run' / 'merged_unused.py').exists()


@pytest.mark.parametrize(
    ('words', 'kind'),
    [(['benchmark', 'srgan_x4'], 'a config'), (['train', 'table1'], 'a benchmark'), (['train', ''], 'neither')],
)
def test_config_and_benchmark_are_not_confused(words: list[str], kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert f'{words[1]}: no such' in (error := capsys.readouterr().err) and f'it is {kind}' in error


def test_empty_checkpoint_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script may pass an empty variable."""
    assert main(['train', 'srgan_x4', '--work-dir', str(tmp_path / 'run'), '--resume', '']) == 2
    assert '--resume: the name of the checkpoint is empty' in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('name', ['srgan_x4', 'srgan/srgan_x4.py', 'srgan/srgan_x4', 'srgan_x4.py', 'fcg_gan_x4.py'])
def test_bundled_config_is_inherited_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / 'mine.py').write_text(f"_base_ = 'rainrestore::{name}'\nmodel = dict(perceptual_loss=None)\n")
    expected = load_config(CONFIGS / 'fcg_gan_x4.py' if name.startswith('fcg') else 'srgan_x4')
    expected.model.perceptual_loss = None
    found = load_config(tmp_path / 'mine.py')
    assert found.to_dict() == expected.to_dict()


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('fcg_gna_x4', "no such config (did you mean 'fcg_gan_x4'?)"),
        ('configs/srgan/srgan_x8.py', "(did you mean 'srgan_x4'?)"),
        ('quite_another', 'neither a file nor one of the configs of this package'),
    ],
)
def test_error_for_an_unknown_name_is_one_line(name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['train', name]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1


def test_default_work_dir_follows_the_config_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    expected = {
        CONFIGS / 'fcg_gan_x4.py': 'fcg_gan_x4',
        CONFIGS / 'srgan' / 'srgan_x4.py': 'srgan/srgan_x4',
        tmp_path / 'mine' / 'my_x4.py': 'mine/my_x4',
        Path('my_x4.py'): 'my_x4',
        tmp_path.parent / 'elsewhere' / 'my_x4.py': 'my_x4',
    }
    assert {path: default_work_dir(path).as_posix() for path in expected} == {
        path: f'work_dirs/{folder}' for path, folder in expected.items()
    }
    folders = [default_work_dir(path) for path in packaged_files().values()]
    assert len(set(folders)) == len(folders)


def test_run_of_another_config_is_not_resumed() -> None:
    start, later = '20260101_120000', '20260102_120000'
    for stored, current in (('a_x4', 'a_x4'), ('srgan_x4', 'srgan_x4')):
        check_same_config(f'{stored}_{start}', f'{current}_{later}')
    # this run has no config file
    check_same_config(start, f'a_x4_{later}')
    check_same_config(f'a_x4_{start}', later)
    with pytest.raises(CheckpointError, match="'srgan_x4', not 'srgan_x4_stage1_mse'"):
        check_same_config(f'srgan_x4_{start}', f'srgan_x4_stage1_mse_{later}')


def test_resume_in_the_work_dir_of_another_config_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('mmagic')
    for name in ('first', 'second'):
        (tmp_path / f'{name}.py').write_text(
            f"""
_base_ = {str(find_file('hrrm_x4'))!r}
model = {narrow(load_config('hrrm_x4').model)!r}
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(limit=2))
val_dataloader = val_cfg = val_evaluator = None
default_hooks = dict(checkpoint=dict(save_best=None))
train_cfg = dict(max_iters=1)
""",
            encoding='utf-8',
        )
    words = ['--work-dir', str(tmp_path / 'run'), '--resume']
    assert main(['train', str(tmp_path / 'first.py'), *words]) == 0
    capsys.readouterr()
    assert main(['train', str(tmp_path / 'second.py'), *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "belongs to a run of the config 'first', not 'second'" in error
    assert main(['train', str(tmp_path / 'first.py'), *words, '--cfg-options', 'train_cfg.max_iters=2']) == 0


def test_earlier_names_lead_to_their_replacements(tmp_path, capsys) -> None:
    assert _REPLACED_BY.keys().isdisjoint(packaged_files()) and REPLACES.keys() <= packaged_files().keys()
    mine = tmp_path / 'mine.py'
    mine.write_text("_base_ = 'rainrestore::hrrm_blind_x4.py'\n")
    for name, new in {'hrrm_blind_x4': 'hrrm_photos_x4', 'configs/hrrm/hrrm_blind_x4.py': 'hrrm_photos_x4',
                      str(mine): 'hrrm_photos_x4', 'hrrm_no_decay_x4': 'hrrm_x4',
                      'fcg_gan_mse_x4': 'fcg_gan_x4_stage1_mse'}.items():  # fmt: skip
        assert main(['config', name]) == 2
        assert capsys.readouterr().err.endswith(f': no such config (replaced by {new!r})\n')
    with pytest.raises(CheckpointError, match=r"'hrrm_blind_x4' \(replaced by 'hrrm_photos_x4'\)"):
        zoo_entry('hrrm_blind_x4')

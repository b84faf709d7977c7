"""The benchmark: what it plans, refuses, keeps and repeats, and what its table says of runs made by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rainrestore.benchmark import load_benchmark, report
from rainrestore.benchmark.runs import Budget, BudgetError, check_budget, plan, stage_config
from rainrestore.benchmark.spec import Benchmark, Method
from rainrestore.cli.main import main
from rainrestore.errors import ConfigError
from rainrestore.evaluation.metrics import write_csv

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
SRGAN = CONFIGS / 'srgan_x4.py'


def written(folder: Path, methods: str, rest: str = '') -> str:
    path = folder / 'mine.py'
    path.write_text(f"title = 'Mine'\nmethods = dict({methods})\n{rest}\n", encoding='utf-8')
    return str(path)


def test_table1_has_every_config_it_names_and_the_claims_of_the_paper() -> None:
    table1 = load_benchmark('table1')
    assert {'bicubic', 'stretch', 'srgan', 'fcg_srgan', 'fcg_gan'} <= table1.methods.keys()
    gap = {(better, worse): value for better, worse, value in table1.claims}
    for (better, worse), value in gap.items():
        published = [table1.methods[name].paper for name in (better, worse)]
        assert value == pytest.approx(published[0][0] - published[1][0], abs=0.006)
    assert gap['fcg_gan', 'srgan'] == 0.72


@pytest.mark.parametrize(
    ('methods', 'rest', 'message'),
    [
        ("a=dict(label='A')", '', "a lacks 'config'"),
        (f"a=dict(label='A', config={str(SRGAN)!r}, colour=1)", '', "a: no field 'colour'; there are checkpoint"),
        ("a=dict(label='A', config='no_such.py')", '', 'a: config: no file'),
        (f"a=dict(label='A', config={str(SRGAN)!r}, checkpoint_of='b')", '', "checkpoint_of='b' is no method"),
        (f"a=dict(label='A', config={str(SRGAN)!r})", "claims = [('a', 'b', 1)]", "claims name 'a' and 'b'"),
    ],
)
def test_wrong_entry_is_named(tmp_path: Path, methods: str, rest: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_benchmark(written(tmp_path, methods, rest))


def test_unknown_benchmark_and_method_are_named() -> None:
    with pytest.raises(ConfigError, match='no such benchmark; by name there are table1'):
        load_benchmark('table9')
    with pytest.raises(ConfigError, match="no method 'srgam'"):
        load_benchmark('table1').choose(['srgam'])


def test_oracle_brings_the_method_whose_weights_it_uses() -> None:
    names = [method.name for method in load_benchmark('table1').choose(['oracle_derained', 'bicubic'])]
    assert names == ['bicubic', 'fcg_gan', 'oracle_derained']


@pytest.mark.parametrize(
    ('method', 'warm_up', 'expected'),
    [
        (Method('m', SRGAN, 'M'), 0.5, [('train', 10)]),
        (Method('m', SRGAN, 'M', warm_up={'perceptual_loss': None}), 0.0, [('train', 10)]),
        (Method('m', SRGAN, 'M', warm_up={'perceptual_loss': None}), 0.8, [('warm_up', 8), ('train', 2)]),
        (Method('m', SRGAN, 'M', first=CONFIGS / 'hrrm_x4.py'), 0.8, [('first', 5), ('train', 5)]),
    ],
)
def test_stages_share_the_budget(method: Method, warm_up: float, expected: list[tuple[str, int]]) -> None:
    stages = plan(method, Budget(faces=47, batch=4, warm_up=warm_up))
    # 47 faces are 11 whole batches of 4; the first stage takes its share, rounded.
    assert sum(stage.iterations for stage in stages) == 11
    assert [stage.name for stage in stages] == [name for name, _ in expected]
    assert all(abs(stage.iterations - count) <= 1 for stage, (_, count) in zip(stages, expected, strict=True))


def test_stage_has_the_budget_and_keeps_the_recipe(tmp_path: Path) -> None:
    budget = Budget(faces=80, batch=8, data=str(tmp_path), options={'val_dataloader.num_workers': 0})
    method = Method('m', CONFIGS / 'fcg_gan_x4.py', 'M', warm_up={'perceptual_loss': None})
    stages = plan(method, Budget(faces=80, batch=8, warm_up=0.5))
    base = stage_config(stages[1], budget, 7, tmp_path / 'w.pth')
    assert (base.train_dataloader.batch_size, base.train_cfg.max_iters, base.randomness.seed) == (8, 5, 7)
    assert base.train_dataloader.dataset.data_root == base.test_dataloader.dataset.data_root == str(tmp_path)
    assert (base.val_dataloader.num_workers, base.load_from) == (0, str(tmp_path / 'w.pth'))
    assert base.optim_wrapper.generator.optimizer.lr == 1e-3
    assert base.model.perceptual_loss.type == 'PerceptualLoss'
    assert stage_config(stages[0], budget, 7, None).model.perceptual_loss is None


def test_another_budget_does_not_mix_with_what_is_there(tmp_path: Path) -> None:
    check_budget(tmp_path, Budget(faces=64), 'table1')
    check_budget(tmp_path, Budget(faces=64), 'table1')
    with pytest.raises(BudgetError, match='faces = 64, and 128 is asked for'):
        check_budget(tmp_path, Budget(faces=128), 'table1')


@pytest.mark.parametrize(('faces', 'warm_up'), [(15, 0.0), (64, 1.0), (64, -0.1)])
def test_impossible_budget_is_refused(faces: int, warm_up: float) -> None:
    with pytest.raises(BudgetError):
        Budget(faces=faces, batch=16, warm_up=warm_up)


def row(folder: Path, method: Method, values: dict[int, list[float]]) -> report.Row:
    """A method whose faces were given these PSNRs, seed by seed."""
    summaries, folders = {}, {}
    for seed, psnr in values.items():
        folders[seed] = folder / method.name / str(seed)
        write_csv(
            folders[seed] / 'per_image.csv',
            ['PSNR', 'SSIM'],
            [(f'f{i}', (value, value / 100)) for i, value in enumerate(psnr)],
        )
        summaries[seed] = {'PSNR': float(np.mean(psnr)), 'SSIM': float(np.mean(psnr)) / 100}
        picture = np.full((128, 128, 3), 40 * len(method.name), dtype=np.uint8)
        (folders[seed] / 'restored').mkdir()
        Image.fromarray(picture).save(folders[seed] / 'restored' / 'f0.png')
    return report.Row(method, 64, 0, summaries, folders, {'parameters': 1234567, 'macs': 5e8, 'seconds': 0.0123})


def test_table_averages_seeds_and_pairs_faces(tmp_path: Path) -> None:
    one = Method('a', SRGAN, 'Alpha', paper=(22.4878, 0.6852))
    two = Method('bb', SRGAN, 'Beta')
    rows = [row(tmp_path, one, {1: [20, 22, 24], 2: [21, 23, 25]}), row(tmp_path, two, {1: [22, 24, 26]})]
    benchmark = Benchmark('mine', 'Mine', {'a': one, 'bb': two}, (('bb', 'a', 0.72),))
    lines = report.table(benchmark, rows, 'faces', 'bb')
    alpha, beta = next(line for line in lines if 'Alpha |' in line), next(line for line in lines if '| Beta |' in line)
    # Every face differs by 22 - 20.5 = 1.5: the interval has no width.
    assert '| 22.50 (22.00..23.00) | 0.2250 (0.2200..0.2300) | -1.50 [-1.50, -1.50] | 22.49 / 0.6852 |' in alpha
    assert '| 24.00 | 0.2400 |  |  | 64 | - | 1.23 M | 500.00 M | 12.3 |' in beta
    assert '| Beta over Alpha | +0.72 dB | +1.50 [+1.50, +1.50] dB | +0.0150 [+0.0150, +0.0150] |' in lines
    assert 'LPIPS' not in lines[2]


def test_chart_and_sheet_show_each_method(tmp_path: Path) -> None:
    rows = [row(tmp_path, Method(name, SRGAN, label), {1: [20, 21]}) for name, label in (('a', 'A'), ('bb', 'B'))]
    assert Image.open(report.chart(rows, 'Mine', tmp_path / 'chart.png')).width > 500
    truth = tmp_path / 'f0.png'
    Image.new('RGB', (128, 128), (200, 0, 0)).save(truth)
    path = report.figure(rows, {'f0': truth}, (32, 32, 96, 96), tmp_path / 'sheet.png')
    sheet = np.asarray(Image.open(path)).astype(int)
    # Two rows of three pictures: the face framed, and its region enlarged to the size of a face.
    for grey in (40, 80):
        assert ((sheet == grey).all(2)).sum() > 1.9 * 128 * 128
    assert ((sheet == (200, 0, 0)).all(2)).sum() == 2 * 128 * 128
    assert (sheet == report.FRAME).all(2).sum() == 4 * 63


@pytest.mark.slow
def test_benchmark_trains_tests_and_goes_on(face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip('mmagic')
    narrow = tmp_path / 'narrow.py'
    narrow.write_text(f"""
_base_ = {str(SRGAN)!r}
model = dict(
    generator=dict(trunk=dict(channels=4, num_blocks=1), channels=4),
    discriminator=dict(base_channels=4), perceptual_loss=None,
)
""")
    bicubic = f"bicubic=dict(label='Bicubic', config={str(CONFIGS / 'bicubic_x4.py')!r}, checkpoint='none')"
    srgan = (
        f"srgan=dict(label='SRGAN', config={str(narrow)!r}, warm_up=dict(discriminator=None, adversarial_loss=None))"
    )
    absent = f"absent=dict(label='Absent', config={str(narrow)!r}, checkpoint='none', needs=['no_such_package'])"
    rest = "claims = [('srgan', 'bicubic', 0.1)]\nmetrics = [dict(type='LPIPS', weights='no_such.pth')]"
    spec = written(tmp_path, f'{bicubic}, {srgan}, {absent}', rest)
    out = tmp_path / 'out'
    loaders = [f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')]
    loaders += [f'{split}_dataloader.persistent_workers=False' for split in ('train', 'val')]
    words = ['benchmark', spec, '--faces', '16', '--batch', '4', '--warm-up', '0.5', '--data', str(face_folder),
             '--out', str(out), '--cfg-options', *loaders]  # fmt: skip
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert all(Path(path).is_file() for path in printed.values())
    full = json.loads(Path(printed['json']).read_text())
    assert full['left_out'] == [
        "LPIPS is left out: LPIPS: weights='no_such.pth': no such file",
        'Absent is left out: no_such_package is not installed',
    ]
    rows = {entry['method']: entry for entry in full['tables']['faces']}
    assert rows['bicubic']['seeds']['fixed']['PSNR'] > 5
    assert rows['srgan']['faces'] == 16
    assert rows['srgan']['parameters'] > 0 < rows['srgan']['macs']
    weights = out / 'srgan' / 'seed_2022' / '2_train' / 'iter_2.pth'
    before = weights.stat().st_mtime_ns
    assert main(words) == 0
    assert weights.stat().st_mtime_ns == before
    assert main([*words[:3], '32', *words[4:]]) == 2
    assert 'faces = 16, and 32 is asked for' in capsys.readouterr().err

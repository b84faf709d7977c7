"""The benchmark: plans, errors, kept and repeated runs, and a table compared with separate runs."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from narrow import narrow
from PIL import Image
from zoos import add_model, write_zoo

from rainrestore.benchmark import load_benchmark, report, runs
from rainrestore.benchmark.runs import (
    Budget,
    BudgetError,
    check_budget,
    faces_before,
    plan,
    stage_config,
    train,
)
from rainrestore.benchmark.spec import Benchmark, Method, Task
from rainrestore.cli.main import main
from rainrestore.datasets import FaceDataset
from rainrestore.datasets.transforms.blind_rain import BlindHeavyRain
from rainrestore.engine.config import load_config
from rainrestore.errors import ConfigError
from rainrestore.evaluation.metrics import write_csv
from rainrestore.registry import MODELS, PARAM_SCHEDULERS, TRANSFORMS
from rainrestore.zoo.index import Zoo, models, zoo_entry

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
SRGAN = CONFIGS / 'srgan' / 'srgan_x4.py'
LOADERS = [
    *(f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')),
    *(f'{split}_dataloader.persistent_workers=False' for split in ('train', 'val')),
]


def written(folder: Path, methods: str, rest: str = '') -> str:
    path = folder / 'mine.py'
    path.write_text(f"title = 'Mine'\nmethods = dict({methods})\n{rest}\n", encoding='utf-8')
    return str(path)


def test_table1_has_all_configs_and_the_claims_of_the_paper() -> None:
    table1 = load_benchmark('table1')
    assert {'bicubic', 'stretch', 'srgan', 'fcg_srgan', 'fcg_gan'} <= table1.methods.keys()
    gap = {(better, worse): value for better, worse, value in table1.claims}
    for (better, worse), value in gap.items():
        published = [table1.methods[name].paper for name in (better, worse)]
        assert value == pytest.approx(published[0][0] - published[1][0], abs=0.006)
    assert gap['fcg_gan', 'srgan'] == 0.72
    assert table1.reference == 'fcg_gan' and not table1.tasks and table1.columns is None


@pytest.mark.parametrize(
    ('methods', 'rest', 'message'),
    [
        ("a=dict(label='A')", '', "a lacks 'config'"),
        (f"a=dict(label='A', config={str(SRGAN)!r}, colour=1)", '', "a: no field 'colour'; there are checkpoint"),
        ("a=dict(label='A', config='no_such.py')", '', r'a: config: no_such\.py: no such config'),
        (
            f"a=dict(label='A', config={str(SRGAN)!r}, checkpoint_of='b')",
            '',
            "checkpoint_of='b' is not a trained method or module",
        ),
        (
            f"a=dict(label='A', config={str(SRGAN)!r}, checkpoint='none', checkpoint_of='a')",
            '',
            'a: remove checkpoint or checkpoint_of; the weights have one source',
        ),
        (f"a=dict(label='A', config={str(SRGAN)!r}, modules=['b'])", '', "a: no module 'b' before it; there are"),
        (
            f"a=dict(label='A', config={str(SRGAN)!r})",
            f"modules = dict(b=dict(config={str(SRGAN)!r}, slot='generator'))",
            "b lacks 'share'",
        ),
        (
            f"a=dict(label='A', config={str(SRGAN)!r})",
            f"modules = dict(a=dict(config={str(SRGAN)!r}, slot='generator', share=0.5))",
            "'a' names a module and a method",
        ),
        (
            f"a=dict(label='A', config={str(SRGAN)!r}, modules=['b', 'c'])",
            f"modules = {{m: dict(config={str(SRGAN)!r}, slot='generator', share=0.5) for m in 'bc'}}",
            'its modules leave no faces',
        ),
        (
            f"a=dict(label='A', config={str(SRGAN)!r})",
            f"modules = dict(b=dict(config={str(SRGAN)!r}, slot='generator', share=1.5))",
            'share=1.5 must be above 0 and below 1',
        ),
        (f"a=dict(label='A', config={str(SRGAN)!r}, final_rate=20)", '', 'final_rate=20 must be 0 to 1'),
        (f"a=dict(label='A', config={str(SRGAN)!r})", "claims = [('a', 'b', 1)]", "claims name 'a' and 'b'"),
        (f"a=dict(label='A', config={str(SRGAN)!r})", "reference = 'b'", "reference='b' is not a method"),
        (
            f"a=dict(label='A', config={str(SRGAN)!r})",
            'metric = []',
            r"no field 'metric' .did you mean 'metrics'.*title",
        ),
        (f"a=dict(label='A', config={str(SRGAN)!r})", "tasks = dict(t=dict(label='T'))", "t lacks 'config'"),
        (
            f"a=dict(label='A', config={str(SRGAN)!r})",
            'tasks = dict(t=dict(paper=1))',
            "t: no field 'paper'; there are",
        ),
    ],
)
def test_wrong_entry_is_named(tmp_path: Path, methods: str, rest: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_benchmark(written(tmp_path, methods, rest))


def test_unknown_benchmark_and_method_are_named() -> None:
    with pytest.raises(ConfigError, match=r"table9: no such benchmark .did you mean 'table1'"):
        load_benchmark('table9')
    with pytest.raises(ConfigError, match="no method 'srgam'"):
        load_benchmark('table1').choose(['srgam'])
    with pytest.raises(ConfigError, match="no task 'snow'; it has downsample, mosaic, noise, blur, jpeg, mixed"):
        load_benchmark('renovation').choose_tasks(['noise', 'snow'])
    with pytest.raises(ConfigError, match="table1 has no task 'noise'; it has none"):
        load_benchmark('table1').choose_tasks(['noise'])
    assert load_benchmark('table1').choose_tasks(None) == [None]
    assert [task.name for task in load_benchmark('renovation').choose_tasks(['jpeg', 'mosaic'])] == ['mosaic', 'jpeg']


def test_renovation_tests_each_method_on_the_images_of_each_subtask(tmp_path: Path) -> None:
    renovation = load_benchmark('renovation')
    budget = Budget(faces=32, batch=4, warm_up=0.5, data=str(tmp_path), options={'val_dataloader.num_workers': 0})
    seen = {}
    for task in renovation.choose_tasks(None):
        own = load_config(task.config)
        for method in renovation.methods.values():
            if not method.trained:
                continue
            warm_up, last = (stage_config(stage, budget, 7, None, task) for stage in plan(method, budget))
            for config in (warm_up, last):
                for split in ('train', 'val', 'test'):
                    ours, theirs = (given[f'{split}_dataloader'].dataset.to_dict() for given in (config, own))
                    assert ours == {**theirs, 'data_root': str(tmp_path)}
                assert (config.train_dataloader.batch_size, config.val_dataloader.num_workers) == (4, 0)
            assert last.model == load_config(method.config).model
            assert warm_up.model.pixel_loss == dict(type='MSELoss')
            seen[task.name] = str(last.test_dataloader.dataset.pipeline)
    assert len(set(seen.values())) == len(seen) == 6
    assert {'MSSSIM_4scales', 'LPIPS', 'FID', 'NIQE_block64', 'identity_distance', 'LLE'} < renovation.columns.keys()


def test_renovation_warms_up_with_mse_only() -> None:
    pytest.importorskip('mmagic')
    (method,) = (method for method in load_benchmark('renovation').methods.values() if method.trained)
    stage = plan(method, Budget(faces=32, batch=4, warm_up=0.5))[0]
    config = stage_config(stage, Budget(faces=32, batch=4), 7, None)
    config.merge_from_dict({'model': narrow({'generator': config.model.generator})})
    model = MODELS.build(config.model)
    data = FaceDataset(split='val', pipeline=config.val_dataloader.dataset.pipeline, limit=1)[0]
    losses = model(**model.data_preprocessor({key: [value] for key, value in data.items()}, training=True), mode='loss')
    assert set(losses) == {'loss_pixel'}


def test_degraded_row_is_the_unchanged_input() -> None:
    model = MODELS.build(load_config(CONFIGS / 'references' / 'degraded_128.py').model)
    faces = torch.rand(2, 3, 128, 128)
    torch.testing.assert_close(model(faces, mode='tensor')['pred_img'], faces)


def test_oracle_adds_the_method_of_its_weights() -> None:
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
    # 47 faces are 11 whole batches of 4. The share of the first stage is rounded.
    assert sum(stage.iterations for stage in stages) == 11
    assert [stage.name for stage in stages] == [name for name, _ in expected]
    assert all(abs(stage.iterations - count) <= 1 for stage, (_, count) in zip(stages, expected, strict=True))


def test_stage_has_the_budget_and_the_recipe(tmp_path: Path) -> None:
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


@pytest.mark.parametrize('final_rate', [0.05, 1.0])
def test_learning_rate_of_each_stage_follows_a_cosine_or_is_constant(final_rate: float) -> None:
    method = Method('m', SRGAN, 'M', warm_up={}, final_rate=final_rate)
    for stage in plan(method, Budget(faces=800, batch=8, warm_up=0.9)):
        (scheduler,) = stage_config(stage, Budget(faces=800, batch=8), 7, None).param_scheduler
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
        schedule = PARAM_SCHEDULERS.build(dict(scheduler, optimizer=optimizer))
        for step in range(stage.iterations):
            part = final_rate + (1 - final_rate) * (1 + math.cos(math.pi * step / stage.iterations)) / 2
            assert optimizer.param_groups[0]['lr'] == pytest.approx(1e-3 * part)
            optimizer.step()
            schedule.step()


@pytest.mark.parametrize('method', load_benchmark('table1').methods.values(), ids=lambda method: method.name)
def test_options_change_the_existing_parts_of_a_config(method: Method) -> None:
    """A row without training ignores the options of the training."""
    options = {'train_dataloader.num_workers': 0, 'test_dataloader.batch_size': 3}
    fitting = Budget(faces=16, batch=16, warm_up=0.0, options=options).options_for(method.config)
    config = load_config(method.config, fitting)
    assert config.test_dataloader.batch_size == 3
    assert ('train_dataloader.num_workers' in fitting) == (config.get('train_dataloader') is not None)
    if method.trained:
        assert fitting == options


def test_results_of_another_budget_are_refused(tmp_path: Path) -> None:
    check_budget(tmp_path, Budget(faces=64), 'table1')
    check_budget(tmp_path, Budget(faces=64), 'table1')
    with pytest.raises(BudgetError, match='faces = 64, not 128'):
        check_budget(tmp_path, Budget(faces=128), 'table1')


@pytest.mark.parametrize(('faces', 'warm_up'), [(15, 0.0), (64, 1.0), (64, -0.1)])
def test_impossible_budget_is_refused(faces: int, warm_up: float) -> None:
    with pytest.raises(BudgetError):
        Budget(faces=faces, batch=16, warm_up=warm_up)


def test_modules_are_trained_once_and_counted_in_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table1 = load_benchmark('table1')
    started = []

    def finish(words: list[str], log: Path, title: str, iterations: int) -> None:
        started.append(load_config(words[1]))
        (log.parent / f'iter_{iterations}.pth').touch()

    monkeypatch.setattr('rainrestore.benchmark.runs._run', finish)
    budget = Budget(faces=1600, batch=4, warm_up=0.9)
    weights = {
        name: train(table1.methods[name], budget, 7, tmp_path, table1.modules)
        for name in ('srgan', 'fcg_srgan', 'fcg_gan', 'face_sr')
    }
    assert len(started) == 3 + 2 * len(weights)  # three modules, two stages for each method

    def faces(config: Config) -> int:
        return config.train_cfg.max_iters * config.train_dataloader.batch_size

    srgan, hrrm, fpm, joint = started[:2], started[2], started[3], started[4:6]
    assert sum(map(faces, srgan)) == faces(hrrm) + faces(fpm) + sum(map(faces, joint)) == 1600
    assert (faces(hrrm), faces(fpm), faces(joint[0])) == (640, 320, 576)
    assert (hrrm.model.type, fpm.model.type) == ('RainRemover', 'FaceParser')
    paths = {slot: str(tmp_path / f'{name}/seed_7/1_train/iter_{steps}.pth')
             for slot, name, steps in (('rain_removal', 'hrrm', 40), ('face_parser', 'fpm', 20))}  # fmt: skip
    assert fpm.model.rain_removal.init_cfg.checkpoint == paths['rain_removal']
    for config in joint:
        for slot, path in paths.items():
            assert config.model[slot].init_cfg == dict(type='Pretrained', checkpoint=path, prefix=slot)
    assert faces_before(table1.methods['fcg_gan'], budget, table1.modules) == 960
    assert train(table1.modules['hrrm'], budget, 7, tmp_path, table1.modules) == Path(paths['rain_removal'])


def row(folder: Path, method: Method, values: dict[int, list[float]]) -> report.Row:
    """A method whose faces have these PSNRs, seed by seed."""
    summaries, folders = {}, {}
    for seed, psnr in values.items():
        folders[seed] = folder / method.name / str(seed)
        write_csv(
            folders[seed] / 'per_image.csv',
            ['PSNR', 'SSIM'],
            [(f'f{i}', (value, value / 100)) for i, value in enumerate(psnr)],
        )
        summaries[seed] = {'PSNR': float(np.mean(psnr)), 'SSIM': float(np.mean(psnr)) / 100}
        image = np.full((128, 128, 3), 40 * len(method.name), dtype=np.uint8)
        (folders[seed] / 'restored').mkdir()
        Image.fromarray(image).save(folders[seed] / 'restored' / 'f0.png')
    return report.Row(method, 64, 0, summaries, folders, {'parameters': 1234567, 'macs': 5e8, 'seconds': 0.0123})


def test_table_averages_seeds_and_pairs_faces(tmp_path: Path) -> None:
    one = Method('a', SRGAN, 'Alpha', paper=(22.4878, 0.6852))
    two = Method('bb', SRGAN, 'Beta')
    rows = [row(tmp_path, one, {1: [20, 22, 24], 2: [21, 23, 25]}), row(tmp_path, two, {1: [22, 24, 26]})]
    benchmark = Benchmark('mine', 'Mine', {'a': one, 'bb': two}, (('bb', 'a', 0.72),), reference='bb')
    lines = report.table(benchmark, rows, 'faces')
    alpha, beta = next(line for line in lines if 'Alpha |' in line), next(line for line in lines if '| Beta |' in line)
    # Every face differs by 22 - 20.5 = 1.5, so the interval has the width 0.
    assert '| 22.50 (22.00..23.00) | 0.2250 (0.2200..0.2300) | -1.50 [-1.50, -1.50] | 22.49 / 0.6852 |' in alpha
    assert '| 24.00 | 0.2400 |  |  | 64 | - | 1.23 M | 500.00 M | 12.3 |' in beta
    assert '| Beta over Alpha | +0.72 dB | +1.50 [+1.50, +1.50] dB | +0.0150 [+0.0150, +0.0150] |' in lines
    assert '| claim | as published | here, PSNR [95 %] | SSIM [95 %] |' in lines
    assert 'LPIPS' not in lines[2]


def test_unpublished_comparison_is_not_called_a_claim(tmp_path: Path) -> None:
    methods = [Method('a', SRGAN, 'Alpha'), Method('bb', SRGAN, 'Beta')]
    rows = [row(tmp_path, method, {1: [20, 22 + number]}) for number, method in enumerate(methods)]
    file = tmp_path / 'mine.py'
    entries = ', '.join(f'{one.name}=dict(label={one.label!r}, config={str(SRGAN)!r})' for one in methods)
    file.write_text(f"title = 'Mine'\nmethods = dict({entries})\nclaims = [('bb', 'a')]\n")
    lines = report.table(load_benchmark(str(file)), rows, 'faces')
    assert lines[-4] == '| comparison | PSNR [95 %] | SSIM [95 %] |'
    assert lines[-2].startswith('| Beta over Alpha | +0.50 [')
    assert not any('paper' in line or 'publish' in line or 'claim' in line for line in lines)


def test_axis_without_zero_has_no_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, 'close', lambda figure: None)
    rows = [row(tmp_path, Method(name, SRGAN, name), {1: [20, 21], 2: [22, 23]}) for name in ('a', 'bb')]
    report.chart(rows, 'Mine', tmp_path / 'chart.png')
    for axis, mean in zip(pyplot.gcf().axes, (21.5, 0.215), strict=True):
        (dots,) = (line for line in axis.lines if line.get_marker() == 'o')
        assert not axis.patches and dots.get_xdata() == pytest.approx([mean] * 2)


def test_table_has_the_columns_of_the_benchmark(tmp_path: Path) -> None:
    method = Method('a', SRGAN, 'Alpha')
    columns = {'SSIM': ('SSIM ↑', 1), 'LLE': ('LLE ↓', 2)}
    lines = report.table(
        Benchmark('mine', 'Mine', {'a': method}, columns=columns), [row(tmp_path, method, {1: [20, 22]})], 'Snow'
    )
    # no values are published, and no row has LLE
    assert lines[:3] == ['### Snow', '', '| method | SSIM ↑ | faces | before | parameters | MACs | ms a face |']
    assert lines[4] == '| Alpha | 0.2 | 64 | - | 1.23 M | 500.00 M | 12.3 |'


def test_chart_shows_oracles_if_there_are_no_other_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, 'close', lambda figure: None)
    methods = [Method('a', SRGAN, 'true J', oracle=True), Method('bb', SRGAN, 'true F', oracle=True)]
    others = [Method('c', SRGAN, 'Mine')]
    oracles, mine = ([row(tmp_path, method, {1: [20, 21]}) for method in group] for group in (methods, others))
    for rows, expected in ((oracles, ['true F', 'true J']), (oracles + mine, ['Mine'])):
        report.chart(rows, 'Mine', tmp_path / 'chart.png')
        assert [label.get_text() for label in pyplot.gcf().axes[0].get_yticklabels()] == expected


@pytest.mark.parametrize(('paper', 'expected'), [((22.5, 0.685), ['here', 'paper']), (None, [])])
def test_only_a_chart_with_published_values_has_a_legend(
    paper: tuple[float, float] | None, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, 'close', lambda figure: None)
    report.chart([row(tmp_path, Method('a', SRGAN, 'A', paper=paper), {1: [20, 21]})], 'Mine', tmp_path / 'chart.png')
    labels = [text.get_text() for legend in pyplot.gcf().legends for text in legend.get_texts()]
    assert sorted(labels) == expected


def test_chart_and_sheet_show_each_method(tmp_path: Path) -> None:
    rows = [row(tmp_path, Method(name, SRGAN, label), {1: [20, 21]}) for name, label in (('a', 'A'), ('bb', 'B'))]
    assert Image.open(report.chart(rows, 'Mine', tmp_path / 'chart.png')).width > 500
    truth = tmp_path / 'f0.png'
    Image.new('RGB', (128, 128), (200, 0, 0)).save(truth)
    path = report.figure(rows, {'f0': truth}, (32, 32, 96, 96), tmp_path / 'sheet.png')
    sheet = np.asarray(Image.open(path)).astype(int)
    # Two rows of three images: the marked face, and its region enlarged to the size of a face.
    for grey in (40, 80):
        assert ((sheet == grey).all(2)).sum() > 1.9 * 128 * 128
    assert ((sheet == (200, 0, 0)).all(2)).sum() == 2 * 128 * 128
    assert (sheet == report.FRAME).all(2).sum() == 4 * 63


@pytest.mark.slow
def test_benchmark_trains_tests_and_resumes(face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip('mmagic')
    narrow = tmp_path / 'narrow.py'
    # The training and the test in other processes also need the variable.
    (tmp_path / 'beside_narrow.py').touch()
    narrow.write_text(f"""
_base_ = {str(SRGAN)!r}
custom_imports = dict(imports=['beside_narrow'])
model = dict(
    generator=dict(trunk=dict(channels=4, num_blocks=1), channels=4),
    discriminator=dict(base_channels=4), perceptual_loss=None,
)
""")
    bicubic = "bicubic=dict(label='Bicubic', config='bicubic_x4', checkpoint='none')"
    srgan = (
        f"srgan=dict(label='SRGAN', config={str(narrow)!r}, warm_up=dict(discriminator=None, adversarial_loss=None))"
    )
    absent = f"absent=dict(label='Absent', config={str(narrow)!r}, checkpoint='none', needs=['no_such_package'])"
    rest = "claims = [('srgan', 'bicubic', 0.1)]\nmetrics = [dict(type='LPIPS', weights='no_such.pth')]"
    spec = written(tmp_path, f'{bicubic}, {srgan}, {absent}', rest)
    out = tmp_path / 'out'
    words = ['benchmark', spec, '--faces', '16', '--batch', '4', '--warm-up', '0.5', '--data', str(face_folder),
             '--out', str(out), '--cfg-options', *LOADERS]  # fmt: skip
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert all(Path(path).is_file() for path in printed.values())
    full = json.loads(Path(printed['json']).read_text())
    assert full['left_out'] == [
        "LPIPS is omitted: LPIPS: weights='no_such.pth': no such file",
        'Absent is omitted: no_such_package is not installed',
    ]
    rows = {entry['method']: entry for entry in full['tables']['faces']}
    assert rows['bicubic']['seeds']['fixed']['PSNR'] > 5
    assert rows['srgan']['faces'] == 16 and full['seeds'] == [2022]
    table = Path(printed['table']).read_text(encoding='utf-8')
    assert 'Training: 16 faces for each method with batch size 4, the first 50% with MSE only' in table
    assert '; seeds 2022. All methods' in table
    assert rows['srgan']['parameters'] > 0 < rows['srgan']['macs']
    weights = out / 'srgan' / 'seed_2022' / '2_train' / 'iter_2.pth'
    before = weights.stat().st_mtime_ns
    assert main(words) == 0
    assert weights.stat().st_mtime_ns == before
    assert main([*words[:3], '32', *words[4:]]) == 2
    assert 'faces = 16, not 32' in capsys.readouterr().err


@pytest.mark.usefixtures('in_this_process')
def test_given_weights_need_no_budget(face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bicubic = "bicubic=dict(label='Bicubic', config='bicubic_x4', checkpoint='none')"
    tasks = "tasks = dict(small=dict(label='Small', config='smaller_x4'))"
    words = ['benchmark', written(tmp_path, bicubic, tasks), '--data', str(face_folder), '--out', str(tmp_path / 'out')]
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed.keys() == {'table', 'json', 'chart_faces_small', 'sheet_faces_small'}
    text = Path(printed['table']).read_text(encoding='utf-8')
    assert '### Small, faces' in text and 'trained method' not in text and 'seed' not in text
    results = json.loads(Path(printed['json']).read_text())
    assert results['tables']['faces_small'][0]['faces'] == 0 and results['seeds'] == []


@pytest.mark.usefixtures('in_this_process')
def test_options_of_a_benchmark_apply_to_every_row(
    face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the option stretch, the bicubic row equals the row that stretches."""
    rows = ', '.join(
        f"{name}=dict(label='L', config='{name}_x4', checkpoint='none')" for name in ('bicubic', 'stretch')
    )
    spec = written(tmp_path, rows, "options = {'model.method': 'stretch'}")
    assert main(['benchmark', spec, '--data', str(face_folder), '--out', str(tmp_path / 'out')]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    table = json.loads(Path(printed['json']).read_text())['tables']['faces']
    first, second = (row['seeds']['fixed']['PSNR'] for row in table)
    assert first == second


def test_trained_method_needs_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['benchmark', 'table1', '--out', str(tmp_path / 'out')]) == 2
    assert '--faces is missing: the number of training faces of hrrm_bicubic' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('roi', ['9 9 2 20', '9 9 20 9', '-1 2 5 6'])
def test_region_without_pixels_is_named(roi: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['benchmark', 'table1', '--zoo', '--methods', 'bicubic', '--roi', *roi.split()]) == 2
    assert capsys.readouterr().err.endswith(f'--roi: expected 0 <= X0 < X1 and 0 <= Y0 < Y1, got {roi}\n')


def test_row_of_a_module_needs_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / 'out')
    assert main(['benchmark', 'table1', '--methods', 'hrrm_bicubic', '--out', out]) == 2
    assert '--faces is missing: the number of training faces of hrrm_bicubic' in capsys.readouterr().err


def test_weights_of_a_module_need_a_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same holds if the row itself names no modules."""
    row = "a=dict(label='A', config='hrrm_bicubic_x4', checkpoint_of='m')"
    spec = written(tmp_path, row, "modules = dict(m=dict(config='hrrm_x4', slot='rain_removal', share=0.5))")
    assert main(['benchmark', spec, '--out', str(tmp_path / 'out')]) == 2
    assert '--faces is missing: the number of training faces of a' in capsys.readouterr().err


@pytest.mark.usefixtures('in_this_process')
def test_row_with_given_weights_is_added_to_trained_rows(
    face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    check_budget(out, Budget(faces=64, batch=4, data=str(face_folder)), 'table1')
    options = ['--faces', '64', '--batch', '4', '--data', str(face_folder), '--out', str(out)]
    assert main(['benchmark', 'table1', '--methods', 'bicubic', *options]) == 0
    # This row is not trained, so the output does not state the budget of the other rows.
    assert 'trained method' not in capsys.readouterr().out


def test_zoo_weights_replace_trainings() -> None:
    table1, missing = load_benchmark('table1').from_zoo({'srgan_x4', 'fcg_gan_x4', 'hrrm_x4'})
    assert {name: method.checkpoint for name, method in table1.methods.items()} == {
        'bicubic': 'none', 'stretch': 'none', 'real_esrgan': 'none',
        'srgan': 'rainrestore://srgan_x4',
        **dict.fromkeys(('hrrm_bicubic', 'fcg_gan', 'oracle_derained', 'oracle_parsing'), 'rainrestore://fcg_gan_x4'),
    }  # fmt: skip
    assert missing['esrgan'] == 'esrgan_x4'
    assert table1.claims == (('fcg_gan', 'srgan', 0.72),)
    assert not any(method.trained or method.modules for method in table1.methods.values())


@pytest.mark.parametrize('spec', sorted(file.stem for file in (ROOT / 'benchmarks').glob('*.py')))
def test_zoo_weights_of_a_row_have_its_recipe(spec: str) -> None:
    benchmark, zoo = load_benchmark(spec), Zoo.bundled()
    published, missing = benchmark.from_zoo(models(zoo))
    assert published.methods.keys() | missing.keys() == benchmark.methods.keys()
    assert not published.methods.keys() & missing.keys() and not models(zoo).keys() & set(missing.values())
    for name, row in published.methods.items():
        method = benchmark.methods[name]
        if method.checkpoint is not None:
            assert row.checkpoint == method.checkpoint
            continue
        # The weights are those of the method, of the method that it names, or those trained with its module.
        sources = [
            other.config
            for other in benchmark.methods.values()
            if other.trained and (other in (method, benchmark.methods.get(method.checkpoint_of or ''))
                                  or method.checkpoint_of in other.modules)
        ]  # fmt: skip
        assert zoo.config(zoo_entry(str(row.checkpoint), zoo)).resolve() in sources, name
    # Rows with other differences than the config, such as the learning rate, would be equal.
    rows = [(row.config, row.checkpoint) for row in published.methods.values()]
    assert len(set(rows)) == len(rows)


def test_zoo_trains_no_modules_for_given_weights(tmp_path: Path) -> None:
    row = f"a=dict(label='A', config={str(SRGAN)!r}, checkpoint='rainrestore://srgan_x4', modules=['m'])"
    modules = f"modules = dict(m=dict(config={str(SRGAN)!r}, slot='generator', share=0.5))"
    benchmark, missing = load_benchmark(written(tmp_path, row, modules)).from_zoo(['srgan_x4'])
    assert not missing and not benchmark.modules
    assert faces_before(benchmark.methods['a'], Budget(faces=0), benchmark.modules) == 0


@pytest.mark.parametrize(
    ('rows', 'words', 'message'),
    [
        (
            f"a=dict(label='A', config={str(SRGAN)!r}, zoo='no_such_x4')",
            ['--zoo'],
            'no method is left in mine with --zoo: A is omitted: the zoo has no model no_such_x4',
        ),
        (
            f"a=dict(label='A', config={str(SRGAN)!r}, checkpoint='none', needs=['no_such_package']),"
            "b=dict(label='B', config='bicubic_x4', checkpoint='none')",
            ['--methods', 'a'],
            'no method is left in mine with --methods: A is omitted: no_such_package is not installed',
        ),
    ],
    ids=['zoo', 'needs'],
)
def test_empty_selection_is_an_error_of_one_line(
    rows: str, words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    assert main(['benchmark', written(tmp_path, rows), *words, '--out', str(out)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and len(printed.err.splitlines()) == 1 and not printed.out
    assert not out.exists()


def test_newly_published_weights_are_tested_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = iter(['old', 'new', 'new'])
    tested = []

    def count(*words: object, **options: object) -> dict[str, object]:
        tested.append(words)
        return {'checkpoint': words[2], 'PSNR': float(len(tested))}

    monkeypatch.setattr(runs, '_published', lambda checkpoint: {'srgan_x4': next(digests)})
    monkeypatch.setattr(runs, 'run_test_apart', count)
    words = (SRGAN, 'rainrestore://srgan_x4', Budget(faces=0), [], None, tmp_path / 'out', None)
    assert [runs.test(*words)['PSNR'] for _ in range(3)] == [1.0, 2.0, 2.0]
    kept = json.loads((tmp_path / 'out' / 'summary.json').read_text(encoding='utf-8'))
    assert len(tested) == 2 and kept['published'] == {'srgan_x4': 'new'}


@pytest.mark.parametrize('content', [b'{"checkpoint"', b'[]', b'\xff', b'{}'])
def test_damaged_files_of_an_earlier_call(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('summary.json', 'budget.json'):
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(runs, 'run_test_apart', lambda *words, **options: {'PSNR': 1.0})
    assert runs.test(SRGAN, 'none', Budget(faces=0), [], None, tmp_path, None)['PSNR'] == 1.0
    with pytest.raises(BudgetError, match='budget.json is damaged' if content != b'{}' else 'benchmark = None'):
        check_budget(tmp_path, Budget(faces=64), 'table1')


def test_published_weights_include_those_of_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = add_model(tmp_path, 'part', {'rain_removal.weight': torch.ones(2)})
    whole = add_model(tmp_path, 'whole', {'generator.weight': torch.zeros(2)}, Parts={'rain_removal': 'part'})
    zoo = write_zoo(tmp_path, whole, part)
    monkeypatch.setattr(Zoo, 'bundled', lambda: zoo)
    assert runs._published('rainrestore://whole') == {'whole': whole['SHA256'], 'part': part['SHA256']}
    assert runs._published('none') == runs._published('work_dirs/iter_1.pth') == {}


@pytest.mark.slow
def test_zoo_rows_are_tested_with_the_published_weights(
    face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ['--data', str(face_folder), '--out', str(tmp_path / 'out')]
    assert main(['benchmark', 'table1', '--zoo', '--methods', 'fcg_gan', *options]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    (row,) = json.loads(Path(printed['json']).read_text())['tables']['faces']
    assert main(['test', 'fcg_gan_x4', 'rainrestore://fcg_gan_x4', '--data', str(face_folder)]) == 0
    tested = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert row['seeds']['fixed']['PSNR'] == tested['PSNR']
    assert row['before'] == zoo_entry('fcg_gan_x4')['Metadata']['Faces']


def test_zoo_and_a_budget_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match='2'):
        main(['benchmark', 'table1', '--zoo', '--faces', '16'])
    assert 'not allowed with argument' in capsys.readouterr().err


def _reach(transform: BlindHeavyRain) -> dict[str, list[tuple[float, float]]]:
    """Option or degradation -> its ranges."""
    steps = {type(step).__name__: step for step in (*transform.lens, *transform.camera)}
    ranges = {name: [value for value in vars(step).values() if _is_range(value)] for name, step in steps.items()}
    return {'sides': [transform.sides], 'layers': [transform.layers], **ranges}


def _blind_rain(config: Path, split: str) -> BlindHeavyRain:
    pipeline = load_config(config)[f'{split}_dataloader'].dataset.pipeline
    # In the training, RandomChoice has it beside the rain of rain_v1.
    steps = [step for first in pipeline for branch in first.get('transforms', [[first]]) for step in branch]
    return TRANSFORMS.build(next(step for step in steps if step.type == 'BlindHeavyRain'))


@pytest.mark.parametrize('task', [task for task in load_benchmark('blind').tasks.values() if 'Unseen' in task.label])
def test_unseen_degradations_exceed_the_training_ranges(task: Task) -> None:
    """Each range that differs from the defaults is outside the training range."""
    tested, trained = (_blind_rain(task.config, split) for split in ('test', 'train'))
    assert tested.ranges == trained.ranges
    default = _reach(BlindHeavyRain())
    changed = [name for name, ranges in _reach(tested).items() if ranges != default[name]]
    assert changed
    for name in changed:
        for seen, unseen in zip(_reach(trained)[name], _reach(tested)[name], strict=True):
            assert unseen[0] > seen[1] or unseen[1] < seen[0]


def test_clean_faces_are_only_reduced() -> None:
    face = FaceDataset(split='test', pipeline=[_blind_rain(CONFIGS / 'unseen' / 'clean_x4.py', 'test')], limit=1)[0]
    small = Image.fromarray(face['gt']).resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(face['img'], np.asarray(small))
    assert face['streak'].max() == 0 and face['transmission'].min() == 1


def _is_range(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(end, (int, float)) for end in value)


@pytest.mark.slow
def test_renovation_has_a_table_for_each_task(
    face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The benchmark with two tasks and a narrow network."""
    pytest.importorskip('mmagic')
    monkeypatch.delenv('RAINRESTORE_INCEPTION', raising=False)
    monkeypatch.setenv('RAINRESTORE_LPIPS_BACKBONE', '/no/such.pth')
    hifacegan = CONFIGS / 'hifacegan' / 'hifacegan_128.py'
    tiny = tmp_path / 'tiny.py'
    tiny.write_text(f'_base_ = {str(hifacegan)!r}\nmodel = {narrow(load_config(hifacegan).model)!r}\n')
    text = (ROOT / 'benchmarks' / 'renovation.py').read_text(encoding='utf-8')
    trained = "label='HiFaceGAN (reduced), each task',\n        config='hifacegan_128'"
    text = text.replace(trained, f"label='T', config={str(tiny)!r}")
    assert str(tiny) in text
    spec = tmp_path / 'renovation.py'
    spec.write_text(text.replace("'../configs/", f"'{CONFIGS}/"), encoding='utf-8')
    out = tmp_path / 'out'
    words = ['benchmark', str(spec), '--tasks', 'noise', 'mosaic', '--faces', '4', '--batch', '4',
             '--methods', 'degraded', 'hifacegan', '--data', str(face_folder), '--out', str(out),
             '--cfg-options', *LOADERS]  # fmt: skip
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(printed) == {
        'table',
        'json',
        *(f'{kind}_faces_{task}' for kind in ('chart', 'sheet') for task in ('mosaic', 'noise')),
    }
    assert all(Path(path).is_file() for path in printed.values())
    full = json.loads(Path(printed['json']).read_text())
    left_out = ' '.join(full['left_out'])
    assert 'FID is omitted: FID needs the weights' in left_out and 'LPIPS is omitted' in left_out
    assert list(full['tables']) == ['faces_mosaic', 'faces_noise']
    values = {}
    for task, (degraded, restored) in full['tables'].items():
        assert (degraded['method'], restored['method']) == ('degraded', 'hifacegan')
        assert degraded['seeds'].keys() == {'fixed'} and restored['seeds'].keys() == {'seed_2022'}
        assert restored['versus']['degraded']['PSNR']['images'] == 3
        values[task] = degraded['seeds']['fixed']
        for summary in (degraded['seeds']['fixed'], restored['seeds']['seed_2022']):
            assert {'PSNR', 'SSIM', 'MSSSIM_4scales', 'NIQE_block64'} <= summary.keys()
            assert 'FID' not in summary
    assert values['faces_mosaic']['PSNR'] != values['faces_noise']['PSNR']
    table = Path(printed['table']).read_text()
    assert '### Denoising, faces' in table and '| T | ' in table and ' MS-SSIM, 4 scales ↑ | ' in table
    assert 'paper' not in table.split('### Denoising')[1] and 'FID ↓' not in table
    weights = out / 'noise' / 'hifacegan' / 'seed_2022' / '1_train' / 'iter_1.pth'
    before = weights.stat().st_mtime_ns
    assert main([*words[:3], 'noise', *words[5:]]) == 0
    assert weights.stat().st_mtime_ns == before

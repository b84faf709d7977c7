"""Two processes (gloo, CPU) train like one process with twice the batch size, and end together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from distributed_scenes import (
    BAD,
    CUT,
    SHARED_OUT,
    WHOLE,
    RelativisticAdversarialLoss,
    adversarial,
    faces,
    logits,
    scored,
)
from mmengine.runner import Runner
from processes import HERE, run_together
from test_engine_resume import assert_same, assert_same_end

from rainrestore.checkpoints import load_checkpoint
from rainrestore.engine.processes import joined
from rainrestore.errors import ConfigError
from rainrestore.evaluation import RestorationEvaluator

Scenes = tuple[Path, list[dict[str, Any]]]


@pytest.fixture(scope='module')
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    """The folder of distributed_scenes.py and the results of its two processes."""
    folder = tmp_path_factory.mktemp('scenes')
    for code, output in run_together([str(HERE / 'distributed_scenes.py'), str(folder)], folder):
        assert code == 0, output
        assert 'optimizer.step' not in output  # the warning would mean that a scheduler does not count the steps
    return folder, [torch.load(folder / f'scenes_{rank}.pt') for rank in range(2)]


def test_gradients_are_averaged_for_used_and_unused_parameters(scenes: Scenes) -> None:
    for found in (each['gradients'] for each in scenes[1]):
        assert torch.equal(found[0], torch.full((2, 3), 1.5))
        assert torch.equal(found[1], torch.full((2,), 2.0))
        assert found[2] is None


def test_relativistic_loss_uses_the_faces_of_all_processes(scenes: Scenes) -> None:
    """Value and gradients against the formula, on the whole batch in one process."""
    real, fake = logits()
    whole = adversarial(real, fake)
    expected = (
        np.log1p(np.exp(fake.mean().item() - real.numpy())).mean()
        + np.log1p(np.exp(fake.numpy() - real.mean().item())).mean()
    )
    assert whole['loss'].item() == pytest.approx(expected, abs=1e-6)
    shares = [each['adversarial'] for each in scenes[1]]
    assert sum(share['loss'] for share in shares).item() / 2 == pytest.approx(expected, abs=1e-6)
    for side in ('real', 'fake'):
        # the gradient of a process's own share, halved by the mean over the processes
        gradient = torch.stack([share[side] for share in shares], 1).flatten() / 2
        torch.testing.assert_close(gradient, whole[side], rtol=1e-5, atol=1e-8)
    assert RelativisticAdversarialLoss.relativistic


def test_evaluation_uses_the_statistics_of_the_first_process(scenes: Scenes) -> None:
    first, second = (each['buffers'] for each in scenes[1])
    assert not torch.equal(first['before'], second['before'])
    assert torch.equal(first['before'], first['after'])
    assert torch.equal(first['after'], second['after'])


@pytest.mark.parametrize(('images', 'round_up'), SHARED_OUT)
def test_metrics_count_each_of_an_odd_number_of_faces_once(
    scenes: Scenes, tmp_path: Path, images: int, round_up: bool
) -> None:
    """The sampler may fill up the share of the last process or not. Some metrics skip some of the faces."""
    folder, results = scenes
    evaluator = RestorationEvaluator(
        [dict(type='PSNR'), dict(type='SSIM'), dict(type='ParsingMIoU', optional=True)],
        per_image=str(tmp_path / 'per_image.csv'),
    )
    evaluator.process(scored(range(images)))
    expected = evaluator.evaluate(images)
    assert expected.keys() >= {'PSNR', 'SSIM'}
    for found in results:
        assert found['metrics'][images, round_up] == expected
    table = (folder / f'per_image_{images}_{round_up}.csv').read_text()
    assert table == (tmp_path / 'per_image.csv').read_text()
    assert len(table.splitlines()) == 1 + images
    assert not (folder / '.dist_test').exists()


def test_signal_to_one_stops_both_and_the_run_resumes_exactly(scenes: Scenes) -> None:
    folder, results = scenes
    for found in (each['interrupted'] for each in results):
        assert found == dict(code=143, reached=CUT, newest=str(folder / 'cut' / f'iter_{CUT}.pth'))
    assert_same_end(folder / 'whole', folder / 'more', WHOLE)


def test_only_the_first_process_writes(scenes: Scenes) -> None:
    run = scenes[0] / 'whole'
    log = next(path for path in run.iterdir() if path.is_dir())
    assert len(list(run.glob('*.py'))) == 1
    assert len(list(run.glob('*/vis_data/events*'))) == 1
    assert [path.name for path in log.glob('*.log')] == [f'{log.name}.log']
    assert len((log / 'vis_data' / 'scalars.json').read_text().splitlines()) >= WHOLE


def test_nan_in_one_process_stops_both_and_its_file_is_named(scenes: Scenes) -> None:
    folder, results = scenes
    messages = {each['non_finite']['stopped'] for each in results}
    assert len(messages) == 1
    message = messages.pop()
    assert message.startswith('NonFiniteError: iteration 2: ')
    assert f'/faces/face_{BAD}.png' in message
    assert sorted(path.name for path in (folder / 'nan').glob('*.pth')) == ['iter_1.pth']


def test_both_skip_a_batch_that_one_cannot_use(scenes: Scenes) -> None:
    folder, results = scenes
    first, second = (each['non_finite']['weights'] for each in results)
    before = load_checkpoint(folder / 'skip' / 'iter_1.pth')['state_dict']
    assert_same(dict(first), dict(before))
    assert torch.equal(first['body.2.weight'], second['body.2.weight'])


def test_error_in_one_process_ends_the_wait_of_the_other(scenes: Scenes) -> None:
    assert [(scenes[0] / f'ended_{rank}').read_text() for rank in range(2)] == ['RuntimeError', 'ConfigError']


@pytest.mark.parametrize(('best', 'name'), [(False, 'iter_1.pth'), (True, 'best_mean_iter_2.pth')])
def test_both_stop_if_the_first_cannot_write(scenes: Scenes, best: bool, name: str) -> None:
    for found in (each['full_disk'][best] for each in scenes[1]):
        assert found == f'CheckpointError: {name} could not be written'


def test_two_processes_train_like_one_with_twice_the_batch(scenes: Scenes, tmp_path: Path) -> None:
    """The paper's network with all its losses, alternating steps and four discriminators."""
    pytest.importorskip('mmagic')
    Runner.from_cfg(faces(tmp_path, 4)).train()
    one, two = (load_checkpoint(folder / 'iter_1.pth') for folder in (tmp_path, scenes[0] / 'faces'))
    # in the relativistic loss, the logits of true and restored faces nearly cancel in single precision
    for group, relative in (('generator', 1e-4), ('discriminator', 1e-3)):
        for index, state in one['optimizer'][group]['state'].items():
            # After its first step, the momentum of SGD is the gradient.
            gradient, other = state['momentum_buffer'], two['optimizer'][group]['state'][index]['momentum_buffer']
            # The last bias of a discriminator has no effect on a relativistic loss.
            assert gradient.numel() == 1 or gradient.norm() > 0
            assert (other - gradient).norm() <= relative * gradient.norm() + 1e-7
    start = one['state_dict']
    one, two = (load_checkpoint(folder / 'iter_3.pth') for folder in (tmp_path, scenes[0] / 'faces'))
    for name, weight in one['state_dict'].items():
        moved = float((weight - start[name]).abs().max())
        # rounding depends on the number of threads; without the average, the gradients would differ by their whole
        # value
        torch.testing.assert_close(two['state_dict'][name], weight, rtol=0, atol=5e-2 * moved + 1e-7)
    hubs = [checkpoint['message_hub'] for checkpoint in (one, two)]
    assert hubs[0]['runtime_info']['data_stream'] == hubs[1]['runtime_info']['data_stream']
    # the log and the validation cover all faces
    values, others = ({key: history.data[0] for key, history in hub['log_scalars'].items()} for hub in hubs)
    assert {'train/loss', 'train/loss_disc_global', 'train/loss_adv_lips', 'val/PSNR'} <= values.keys()
    for key in values:
        # the accuracy is a count, and a logit near zero may have either sign
        if 'time' not in key and 'accuracy' not in key:
            np.testing.assert_allclose(others[key], values[key], rtol=1e-3, err_msg=key)


@pytest.mark.slow
def test_replicas_of_every_config_stay_equal(tmp_path: Path) -> None:
    pytest.importorskip('mmagic')
    for code, output in run_together([str(HERE / 'distributed_scenes.py'), str(tmp_path), 'configs'], tmp_path):
        assert code == 0, output
    trained = {path.stem for path in tmp_path.glob('*.trained')}
    assert {'hrrm_x4', 'fpm_x4', 'fcg_gan_x4', 'pix2pix_x4', 'hrrm_no_reconstruction_x4'} <= trained


@pytest.mark.skipif(not torch.cuda.is_available(), reason='NCCL runs on NVIDIA GPUs only, and this machine has none')
def test_nccl_and_synchronised_batch_norm_work_in_one_process(tmp_path: Path) -> None:
    words = [str(HERE / 'distributed_scenes.py'), str(tmp_path), 'gpu']
    ((code, output),) = run_together(words, tmp_path, count=1, CUDA_VISIBLE_DEVICES='0')
    assert code == 0, output
    assert (tmp_path / 'faces' / 'iter_3.pth').is_file()


def test_process_without_a_launcher_gets_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(ConfigError, match=r'RANK is not set.*dist_train\.sh'), joined('pytorch', {}):
        pass
    with pytest.raises(ConfigError, match='SLURM_PROCID'), joined('slurm', {}):
        pass
    for name, value in dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0').items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr('rainrestore.engine.processes.get_device', lambda: 'cpu')
    with pytest.raises(ConfigError, match='GPUs only'), joined('pytorch', dict(sync_bn='torch')):
        pass
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setenv('LOCAL_RANK', '2')
    with pytest.raises(ConfigError, match='torch finds 2'), joined('pytorch', {}):
        pass

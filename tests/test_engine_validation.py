"""The validation of a training equals ``rainrestore test`` of its checkpoint."""

import json
from pathlib import Path

import pytest
from mmengine.runner import Runner
from narrow import narrow

from rainrestore.checkpoints import load_checkpoint
from rainrestore.cli.main import main
from rainrestore.engine.config import load_config


@pytest.mark.parametrize('average', [False, True])
def test_validation_equals_the_test_of_the_same_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], average: bool
) -> None:
    """With a moving average of the weights, the average is validated and saved as the best checkpoint."""
    pytest.importorskip('mmagic')
    loader = dict(batch_size=2, num_workers=0, dataset=dict(limit=3))
    options = dict(
        train_dataloader=loader, val_dataloader=loader, train_cfg=dict(max_iters=3, val_interval=3),
        default_hooks=dict(checkpoint=dict(interval=3, save_best='PSNR', rule='greater')),
        visualizer=dict(vis_backends=[dict(type='LocalVisBackend')]), work_dir=str(tmp_path / 'run'),
    )  # fmt: skip
    config = load_config('srgan_x4', options)
    config.merge_from_dict(dict(model=narrow(config.model)))
    if average:
        config.custom_hooks.append(dict(type='EMAHook', momentum=0.3))
    runner = Runner.from_cfg(config)
    runner.train()
    reported = runner.message_hub.get_scalar('val/PSNR').current()
    (best,) = (tmp_path / 'run').glob('best_PSNR_iter_3.pth')
    config.dump(tmp_path / 'config.py')
    for path in (best, tmp_path / 'run' / 'iter_3.pth'):
        words = ['test', str(tmp_path / 'config.py'), str(path), '--split', 'val', '--out', str(tmp_path / 'out')]
        capsys.readouterr()
        assert main([*words, '--cfg-options', 'test_dataloader.dataset.limit=3', 'test_dataloader.num_workers=0']) == 0
        measured = json.loads(capsys.readouterr().out.splitlines()[-1])['PSNR']
        assert measured == pytest.approx(reported, abs=1e-4)
    if average:
        held = load_checkpoint(tmp_path / 'run' / 'iter_3.pth')
        name = next(key for key in held['state_dict'] if key.startswith('generator.'))
        assert not held['state_dict'][name].equal(held['ema_state_dict'][f'module.{name}'])

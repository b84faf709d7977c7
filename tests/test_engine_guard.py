"""Infinite and NaN losses stop a training before anything of the iteration is saved."""

from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner
from test_engine_resume import assert_same
from toy import SIZE, toy_config

from rainrestore.checkpoints import load_checkpoint
from rainrestore.datasets.sampling import ResumableSampler
from rainrestore.engine.guard import FiniteLossHook, batch_files, non_finite
from rainrestore.errors import NonFiniteError

ORDER = [int(index) for index, _ in zip(ResumableSampler(range(SIZE), seed=5), range(10), strict=False)]
#: Batches of two contain this sample in the third iteration for the first time.
BAD = ORDER[5]


def test_error_names_iteration_loss_and_files(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError) as caught:
        Runner.from_cfg(toy_config(tmp_path, 5, **{'train_dataloader.dataset.bad': (BAD,)})).train()
    message = str(caught.value)
    assert 'iteration 3: ' in message
    assert 'loss_square = nan' in message
    assert f'/faces/face_{ORDER[4]}.png, /faces/face_{BAD}.png.' in message
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['iter_1.pth', 'iter_2.pth']
    weights = load_checkpoint(tmp_path / 'iter_2.pth')['state_dict']
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_skipped_batch_has_no_effect_and_is_counted(tmp_path: Path) -> None:
    options = {'train_dataloader.dataset.bad': (BAD,), 'custom_hooks': [dict(type='FiniteLossHook', skip=1)]}
    with pytest.raises(NonFiniteError, match='iteration 6: .* after 1 skipped batches' if BAD in ORDER[7:10] else 'it'):
        Runner.from_cfg(toy_config(tmp_path, 9, **options)).train()
    before, after = (load_checkpoint(tmp_path / f'iter_{step}.pth') for step in (2, 3))
    assert_same(before['state_dict'], after['state_dict'])
    assert_same(before['optimizer']['state'], after['optimizer']['state'])
    assert after['message_hub']['runtime_info']['skipped_batches'] == 1
    following = load_checkpoint(tmp_path / 'iter_4.pth')['state_dict']
    assert torch.isfinite(following['body.2.weight']).all()
    assert not torch.equal(following['body.2.weight'], after['state_dict']['body.2.weight'])


def test_infinite_weights_are_not_saved() -> None:
    hook = FiniteLossHook()
    hook.before_save_checkpoint(None, {'state_dict': {'w': torch.ones(2), 'steps': torch.tensor(3)}})
    with pytest.raises(NonFiniteError, match='weight w is infinite'):
        hook.before_save_checkpoint(None, {'state_dict': {'w': torch.tensor([1.0, float('inf')])}})


def test_only_losses_are_checked() -> None:
    values = {'loss': float('inf'), 'loss_vgg': torch.tensor(1.0), 'PSNR': float('inf'), 'grad_norm': float('nan')}
    assert non_finite(values) == {'loss': float('inf')}
    assert batch_files({'inputs': []}) == []
    with pytest.raises(ValueError, match='skip'):
        FiniteLossHook(skip=-1)

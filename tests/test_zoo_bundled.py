"""The weights in the package: whole, small, made for the configs that they name, and as good as model_zoo.md says."""

import json
import re
from pathlib import Path

import pytest

from rainrestore.checkpoints import load_weights, sha256_of
from rainrestore.cli.main import main
from rainrestore.engine.config import load_config
from rainrestore.registry import MODELS
from rainrestore.zoo.index import read_index, zoo_file

pytest.importorskip('mmagic')
ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 30_000_000
# The figures are given to two and four places; the rest is what other processors round differently.
TOLERANCE = {'PSNR': 0.01, 'SSIM': 2e-4}


@pytest.mark.parametrize('name', sorted(read_index()))
def test_bundled_weights_are_whole_and_fit_their_config(name: str) -> None:
    entry, file = read_index()[name], zoo_file(name)
    assert file.stat().st_size == entry['bytes'] <= MAX_BYTES
    assert sha256_of(file) == entry['sha256']
    assert (ROOT / entry['training']).is_file()
    model = MODELS.build(load_config(ROOT / entry['config']).model)
    load_weights(model, f'rainrestore://{name}')


def test_bundled_network_reaches_the_stated_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = re.search(r'^\| `rainrestore://fcg_gan_x4` \| [\d,]+ \|.*$', (ROOT / 'model_zoo.md').read_text(), re.M)
    assert row is not None
    psnr, ssim = re.findall(r'(\d+\.\d+) / (0\.\d+)', row[0])[-1]
    words = [ROOT / 'configs/fcg_gan_x4.py', 'rainrestore://fcg_gan_x4', '--out', tmp_path]
    assert main(['test', *map(str, words), '--data', str(ROOT / 'data/portraits128')]) == 0
    values = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert values['images'] == 50
    assert values['PSNR'] == pytest.approx(float(psnr), abs=TOLERANCE['PSNR'])
    assert values['SSIM'] == pytest.approx(float(ssim), abs=TOLERANCE['SSIM'])

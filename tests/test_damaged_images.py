"""3,000 damaged files and 50 extreme shapes stay within a limit of memory and time."""

import json
import sys
from pathlib import Path

import pytest
from processes import HERE, run_command


@pytest.mark.slow
@pytest.mark.parametrize(
    ('kind', 'count', 'files', 'mebibytes', 'seconds'),
    # The largest valid shape has 88 million pixels, with 19 bytes each; the largest mutated file has 17 million.
    [('mutated', 3000, 3000, 800, 60), ('shaped', 0, 50, 1600, 120)],
)
def test_damaged_files_and_extreme_shapes_stay_within_the_limits(
    tmp_path: Path, kind: str, count: int, files: int, mebibytes: int, seconds: float
) -> None:
    """Each file is restored or refused with one line. The address space is also limited, so that larger requests
    fail.
    """
    command = [sys.executable, str(HERE / 'damaged_images.py'), kind, str(count), '4096', str(tmp_path)]
    done = run_command(command, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found['wrong'] == []
    assert found['files'] >= files
    assert min(found['states'].get(state, 0) for state in ('restored', 'failed')) >= files / 20
    assert found['largest'][0] <= mebibytes, found['largest']
    assert found['slowest'][0] <= seconds, found['slowest']

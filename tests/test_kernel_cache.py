"""Compiled kernels are kept on disk: beside the package, or in the user's cache where that cannot be written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cosim

PROGRAM = """
import json
import numpy as np
from cosim.blocks.ramp_adc import conversion
codes = conversion.convert(np.array([[0.5]], dtype=np.float32), np.array([[0.0, 1.0]]))
stats = conversion.convert_kernel.stats
print(json.dumps({
    "file": conversion.__file__, "code": int(codes[0, 0]),
    "hits": sum(stats.cache_hits.values()), "misses": sum(stats.cache_misses.values()),
}))
"""


@pytest.mark.slow
def test_kernels_are_kept_where_the_package_cannot_be_written(tmp_path: Path) -> None:
    """A file stands where the folder of compiled code would be, which stops even root."""
    package = tmp_path / "site" / "cosim"
    shutil.copytree(Path(cosim.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [package, *(each for each in package.rglob("*") if each.is_dir())]:
        (folder / "__pycache__").write_text("in the way")
    cache = tmp_path / "cache"
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": str(package.parent), "XDG_CACHE_HOME": str(cache), "HOME": str(tmp_path)}
    answers = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        answers.append(json.loads(done.stdout))
    first, second = answers
    assert first["file"].startswith(str(package)) and first["code"] == second["code"] == 1
    assert first["misses"] > 0
    assert second["misses"] == 0 and second["hits"] > 0
    assert list(cache.rglob("*.nbi"))

"""Compiled kernels are kept on disk: beside the package, or in the user's cache where that cannot be written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cosim
from cosim import compiled
from cosim.blocks import lanes, normals
from cosim.blocks.crossbar import dissection, lapack, sinh
from cosim.blocks.ramp_adc import conversion_kernel, lag

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


def test_a_kept_function_is_stamped_with_what_is_compiled_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled.sources(conversion_kernel) == [Path(str(each.__file__)) for each in (lanes, normals)]
    assert Path(str(lapack.__file__)) in compiled.sources(dissection)
    assert {Path(str(each.__file__)) for each in (dissection, lapack)} <= set(compiled.sources(sinh))
    functions: list[Any] = [conversion_kernel.convert_kernel, dissection._block, lag._lags]
    for function in functions:
        assert isinstance(function._cache._cache_file._source_stamp, tuple)
    before = compiled.stamp(lag)
    assert compiled.stamp(lag) == before
    monkeypatch.setattr(lag, "READ", 3 * lag.EDGE)  # made of another module's constant
    assert compiled.stamp(lag) != before


USER = """
import json
import numpy as np
from cosim.blocks.normals import fill_normals
out = np.empty(64, dtype=np.float32)
fill_normals(np.zeros(2, dtype=np.uint32), 0, 0, out)
stats = fill_normals.stats
print(json.dumps({"hits": sum(stats.cache_hits.values()), "misses": sum(stats.cache_misses.values()),
                  "spread": float(out.std())}))
"""


@pytest.mark.slow
def test_a_change_of_another_file_that_is_compiled_in_takes_effect(tmp_path: Path) -> None:
    """As after an upgrade: the compiled code is there, its own file is the same, one that it is made of is not."""
    package = tmp_path / "cosim"
    shutil.copytree(Path(cosim.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": str(tmp_path)}

    def run() -> dict[str, float]:
        done = subprocess.run(
            [sys.executable, "-c", USER], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    first = run()
    assert first["misses"] > 0
    errors = package / "errors.py"  # nothing of it is compiled
    errors.write_text(errors.read_text() + "# another end\n")
    assert run() == {"hits": 1, "misses": 0, "spread": first["spread"]}
    file = package / "blocks" / "lanes.py"
    root = 'return self._make(self.builder.call(_llvm(self.builder, "sqrt", self.value.type, 1), [self.value]))'
    assert root in file.read_text()
    file.write_text(file.read_text().replace(root, root + " * 3.0"))
    changed = run()
    assert changed["misses"] > 0
    assert changed["spread"] == pytest.approx(3.0 * first["spread"], rel=1e-5)

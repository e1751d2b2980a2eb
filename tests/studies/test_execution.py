"""Running a study: resumed, interrupted, shared by processes, the same whoever does it."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.studies import evaluation, execution, workplaces
from cosim.studies.evaluation import Job, Outcome, evaluate
from cosim.studies.execution import begin, run_study
from cosim.studies.specification import Specification, load_specification
from cosim.studies.store import StudyFolder
from cosim.studies.workplaces import InProcess, Workplace, open_workplace

pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

Write = Callable[..., Path]


def ran(specification: Specification, path: Path, workplace: Workplace | None = None, **options: object) -> list[str]:
    place = workplace or InProcess()
    try:
        return run_study(begin(specification, path, place, **options))  # type: ignore[arg-type]
    finally:
        place.close()


def outcomes(path: Path, keys: list[str]) -> list[Outcome]:
    folder = StudyFolder(path, {})
    return [folder.outcome(key) for key in keys]


def assert_same(one: list[Outcome], other: list[Outcome]) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.key == b.key and a.failure == b.failure
        np.testing.assert_array_equal(a.scores, b.scores)
        np.testing.assert_array_equal(a.losses, b.losses)


class Counting(InProcess):
    """Counts points; may be interrupted after some."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.done = 0
        self.stop_after = stop_after

    def ended(self, patience: float) -> Iterator[Outcome]:
        if self.done == self.stop_after:
            raise KeyboardInterrupt
        self.done += 1
        yield from super().ended(patience)


def test_chips_are_the_same_in_all_points_and_differ_from_each_other(study_file: Write, small: str) -> None:
    """With no read noise and one more bit of the DAC nothing else is drawn: what differs is the settings alone."""
    text = small.replace('device.read_noise = ["0 %", "2 %"]', '"nonidealities.adc_noise" = [false]').replace(
        "[4, 5]", "[5]"
    )
    study = load_specification(study_file(text + "\n[nonidealities]\nread_noise = false\n"))
    assert study.design is not None
    job = Job("k", study.content, study.design.values(0), study.counts, str(study.folder))
    one, other = evaluate(job), evaluate(job)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.losses[:, 0], one.losses[:, 1])  # two reads without noise
    assert one.losses[0, 0] != one.losses[1, 0]  # two chips


def test_what_is_finished_is_not_done_again(study_file: Write, tmp_path: Path) -> None:
    study, path = load_specification(study_file()), tmp_path / "r"
    first, second = Counting(), Counting()
    keys = ran(study, path, first)
    stamps = {each.name: each.stat().st_mtime_ns for each in (path / "points").iterdir()}
    assert ran(study, path, second) == keys
    assert (first.done, second.done) == (4, 0)
    assert {each.name: each.stat().st_mtime_ns for each in (path / "points").iterdir()} == stamps


def test_an_interrupted_study_goes_on_from_there(study_file: Write, tmp_path: Path) -> None:
    study = load_specification(study_file())
    whole = ran(study, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        ran(study, tmp_path / "r", Counting(stop_after=2))
    assert len(os.listdir(tmp_path / "r" / "points")) == 2
    rest = Counting()
    ran(study, tmp_path / "r", rest)
    assert rest.done == 2
    assert_same(outcomes(tmp_path / "whole", whole), outcomes(tmp_path / "r", whole))


def test_a_damaged_point_is_done_again(study_file: Write, tmp_path: Path) -> None:
    study, path = load_specification(study_file()), tmp_path / "r"
    keys = ran(study, path)
    before = outcomes(path, keys)
    victim = StudyFolder(path, {}).file_of(keys[1])
    victim.write_bytes(victim.read_bytes()[:200])
    again = Counting()
    with pytest.warns(UserWarning, match="damaged"):
        ran(study, path, again)
    assert again.done == 1
    assert_same(before, outcomes(path, keys))


def test_a_model_that_changed_since_is_refused_with_both_hashes(study_file: Write, small: str, tmp_path: Path) -> None:
    from cosim.files import sha256_of
    from cosim.resources import shipped

    model = tmp_path / "mein Modell é.json"
    model.write_bytes(shipped("models/ramp_adc.json").read_bytes())
    study = load_specification(study_file(small + f'\n[models]\nramp_adc.file = "{model.name}"\n'))
    with pytest.raises(KeyboardInterrupt):
        ran(study, tmp_path / "r", Counting(stop_after=1))
    old = sha256_of(model)
    model.write_text(model.read_text() + "\n")
    with pytest.raises(CosimError, match=f"ramp_adc 'mein Modell é.json' has changed.*{old}.*{sha256_of(model)}"):
        ran(study, tmp_path / "r")
    assert len(os.listdir(tmp_path / "r" / "points")) == 1


def test_a_model_that_changes_while_the_study_runs_stops_it(study_file: Write, small: str, tmp_path: Path) -> None:
    from cosim.resources import shipped

    model = tmp_path / "m.json"
    model.write_bytes(shipped("models/ramp_adc.json").read_bytes())
    study = load_specification(study_file(small + '\n[models]\nramp_adc.file = "m.json"\n'))

    class Meddling(Counting):
        def ended(self, patience: float) -> Iterator[Outcome]:
            yield from super().ended(patience)
            model.write_text(model.read_text() + "\n")

    with pytest.raises(CosimError, match="has changed since the study began"):
        ran(study, tmp_path / "r", Meddling())
    assert len(os.listdir(tmp_path / "r" / "points")) == 1


def test_a_point_that_cannot_be_is_kept_as_failed_and_done_again_when_asked(
    study_file: Write, small: str, tmp_path: Path
) -> None:
    # Weights of 4 bits have no digits of 3 bits; each of the two alone is right.
    text = small.replace('"tile.adc.bits" = [4, 5]', '"tile.weight_bits" = [5, 4]')
    text = text.replace('device.read_noise = ["0 %", "2 %"]', '"mapping.slice_bits" = [2, 3]')
    text += '\n[network]\nactivations = "digital"\n'
    study, path = load_specification(study_file(text)), tmp_path / "r"
    keys = ran(study, path)
    failures = [each.failure for each in outcomes(path, keys)]
    assert [each is None for each in failures] == [True, True, True, False]
    again, retried = Counting(), Counting()
    ran(study, path, again)
    ran(study, path, retried, retry_failed=True)
    assert (again.done, retried.done) == (0, 1)


def test_what_a_point_raises_beside_is_its_failure_and_not_the_study_s(
    study_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(job: Job) -> Outcome:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(workplaces, "evaluate", broken)
    keys = ran(load_specification(study_file()), tmp_path / "r")
    assert {each.failure for each in outcomes(tmp_path / "r", keys)} == {"ZeroDivisionError: by nought"}


def test_outputs_that_are_not_finite_are_wrong_and_told(
    study_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cosim.networks.network import Network

    honest = Network.forward

    def strange(self: Network, *arguments: object) -> np.ndarray:
        outputs = np.array(honest(self, *arguments))
        outputs[:3] = np.nan
        return outputs

    good = ran(load_specification(study_file()), tmp_path / "good")
    monkeypatch.setattr(Network, "forward", strange)
    keys = ran(load_specification(study_file()), tmp_path / "r")
    found, before = outcomes(tmp_path / "r", keys)[0], outcomes(tmp_path / "good", good)[0]
    assert found.not_finite == 3 * 2 * 2
    assert (found.scores[:, :, :3] == 0).all() and np.isnan(found.losses).all()
    np.testing.assert_array_equal(found.scores[:, :, 3:], before.scores[:, :, 3:])


def test_a_clock_that_goes_back_changes_nothing(
    study_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = load_specification(study_file())
    monkeypatch.setattr(time, "time", lambda: 1e9)
    with pytest.raises(KeyboardInterrupt):
        ran(study, tmp_path / "r", Counting(stop_after=2))
    monkeypatch.setattr(time, "time", lambda: 1e9 - 3600.0)
    rest = Counting()
    keys = ran(study, tmp_path / "r", rest)
    assert rest.done == 2
    assert all(each.seconds > 0 for each in outcomes(tmp_path / "r", keys))


def test_a_disk_that_is_full_stops_the_study_and_keeps_what_is_finished(
    study_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cosim.studies import store

    study, honest = load_specification(study_file()), store._write_through
    written: list[Path] = []

    def full(path: Path, content: bytes) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path)
        honest(path, content)

    monkeypatch.setattr(store, "_write_through", full)
    with pytest.raises(CosimError, match="No space left on device"):
        ran(study, tmp_path / "r")
    assert len(os.listdir(tmp_path / "r" / "points")) == 2
    monkeypatch.undo()
    rest = Counting()
    ran(study, tmp_path / "r", rest)
    assert rest.done == 2


def test_two_runs_at_once_share_the_points(study_file: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other run holds two points for a while, and finishes one of them; locks are those of another process."""
    monkeypatch.setattr(execution, "LOOKED_AT", 0.02)
    study, path = load_specification(study_file()), tmp_path / "r"
    whole = ran(study, tmp_path / "whole")
    held = {whole[0], whole[2]}
    honest = StudyFolder.claim
    monkeypatch.setattr(StudyFolder, "claim", lambda self, key: key not in held and honest(self, key))

    def other_run() -> None:
        time.sleep(0.1)
        source = StudyFolder(tmp_path / "whole", {}).file_of(whole[0])
        os.link(source, StudyFolder(path, {}).file_of(whole[0]))  # it finishes one
        held.clear()  # and dies

    here = Counting()
    thread = threading.Thread(target=other_run)
    run = begin(study, path, here)
    thread.start()
    keys = run_study(run)
    thread.join()
    assert here.done == 3
    assert_same(outcomes(tmp_path / "whole", whole), outcomes(path, keys))


def test_a_number_of_workers_below_zero_is_refused() -> None:
    with pytest.raises(CosimError, match="negative"):
        open_workplace(-1)


def test_a_worker_of_another_version_is_refused(study_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    study = load_specification(study_file())
    job = Job("k", study.content, {}, study.counts, version="0.0.1")
    with pytest.raises(CosimError, match=r"0\.0\.1"):
        evaluation.evaluate(job)

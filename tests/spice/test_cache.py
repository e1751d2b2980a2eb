"""A result is kept under the name of its deck, and an untrustworthy entry is worth nothing."""

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.spice import Deck, Result, Simulator, SimulatorPool, Tolerances, cache

DECK = Deck("divider", "v1 a 0 1\nr1 a b 1k\nr2 b 0 1k", (".op",), ("v(b)", "i(v1)"))
SWEEP = Deck("sweep", "v1 a 0 1\nr1 a b 1k\nd1 b 0 d\n.model d d", (".dc v1 0 3 0.01",), ("v(b)", "i(v1)"))
FAILS = Deck("fails", "v1 a 0 1\nr1 a 0 1", (".op",), ("v(a)", "v(nope)"))


class CountingPool(SimulatorPool):
    """Counts what is sent to a worker."""

    sent = 0

    def _schedule(self, deck: Deck, key: str):  # type: ignore[no-untyped-def]
        self.sent += 1
        return super()._schedule(deck, key)


@pytest.fixture(scope="module")
def counting(pool: SimulatorPool) -> Iterator[CountingPool]:
    with CountingPool(2, simulator=pool.simulator) as counting:
        yield counting


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counting: CountingPool) -> Path:
    """An empty cache."""
    monkeypatch.setenv("COSIM_CACHE", str(tmp_path / "cache"))
    counting.sent, counting.use_cache = 0, True
    return tmp_path / "cache"


def assert_equal(one: Result, other: Result) -> None:
    assert one.ok and other.ok and one.key == other.key and one.attempts == other.attempts
    assert list(one.signals) == list(other.signals)
    for name in one.signals:
        assert other[name].dtype == np.float64
        np.testing.assert_array_equal(one[name], other[name])


def test_a_second_run_does_not_simulate(counting: CountingPool, folder: Path) -> None:
    first = counting.run([DECK, SWEEP])
    assert counting.sent == 2
    second = counting.run([SWEEP, DECK])
    assert counting.sent == 2
    assert_equal(first[0], second[1])
    assert_equal(first[1], second[0])
    assert first[0].log == second[1].log and first[0].elapsed == second[1].elapsed
    assert not list(folder.rglob("*.part"))


def test_another_pool_finds_it_too_and_one_without_cache_does_not(
    counting: CountingPool, folder: Path, pool: SimulatorPool
) -> None:
    first = counting.run([DECK])[0]
    with CountingPool(1, simulator=pool.simulator) as other:
        assert_equal(first, other.run([DECK])[0])
        assert other.sent == 0
    with CountingPool(1, simulator=pool.simulator, use_cache=False) as careless:
        assert_equal(first, careless.run([DECK])[0])
        assert careless.sent == 1


def test_equal_decks_are_run_once_and_each_gets_its_result(counting: CountingPool, folder: Path) -> None:
    results = counting.run([DECK, SWEEP, DECK, replace(DECK), SWEEP])
    assert counting.sent == 2
    assert [each.key for each in results] == [counting.key(each) for each in (DECK, SWEEP, DECK, DECK, SWEEP)]
    assert counting.run([]) == []


def test_a_failure_is_not_kept_as_a_result(counting: CountingPool, folder: Path) -> None:
    for number in (1, 2):
        result = counting.run([FAILS])[0]
        assert not result.ok and counting.sent == number
    assert not cache.result_path(result.key).exists()
    assert (folder / "spice" / "failures" / result.key / "deck.cir").is_file()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "another file": lambda content: b"hello",
    "turned bytes": lambda content: content[:200] + bytes(255 - each for each in content[200:400]) + content[400:],
    "an array alone": lambda content: (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }".ljust(117)
        + b"\n"
        + bytes(8)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_ignored_and_replaced(counting: CountingPool, folder: Path, damage: str) -> None:
    first = counting.run([SWEEP])[0]
    path = cache.result_path(first.key)
    sound = path.read_bytes()
    path.write_bytes(DAMAGES[damage](sound))
    assert cache.fetch(first.key) is None
    assert_equal(first, counting.run([SWEEP])[0])
    assert counting.sent == 2
    kept = cache.fetch(first.key)
    assert kept is not None
    assert_equal(first, kept)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_no_damage_changes_a_number(counting: CountingPool, data: st.DataObject, own_cache: Path) -> None:
    first = counting.run([SWEEP])[0]
    path = cache.result_path(first.key)
    sound = path.read_bytes()
    try:
        at = data.draw(st.integers(0, len(sound) - 1))
        change = data.draw(st.integers(1, 255))
        end = data.draw(st.integers(at + 1, len(sound)))
        path.write_bytes((sound[:at] + bytes([sound[at] ^ change]) + sound[at + 1 :])[:end])
        kept = cache.fetch(first.key)
        if kept is not None:  # some bytes of a zip file, its dates for instance, carry nothing
            assert_equal(first, kept)
    finally:
        path.write_bytes(sound)


def test_a_cache_that_cannot_be_written_warns_once_and_goes_on(
    counting: CountingPool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COSIM_CACHE", str(tmp_path / "file"))  # a file where a folder should be: also root is stopped
    with pytest.warns(UserWarning, match=r"cache folder .*file cannot be written.*COSIM_CACHE") as caught:
        results = counting.run([DECK, SWEEP, FAILS])
    assert len(caught) == 1
    assert results[0].ok and results[1].ok
    assert results[2].failure is not None and results[2].deck_file is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert counting.run([DECK])[0].ok


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_no_crash(folder: Path) -> None:
    folder.mkdir(mode=0o500)
    assert not cache.store(Result("ab" * 32, {"v(a)": np.zeros(1)}, None, "", 0.0))


def test_what_can_change_the_answer_changes_the_key() -> None:
    keys = {DECK.key("ngspice 46", klu=True)}
    changed = [
        replace(DECK, circuit=DECK.circuit.replace("1k", "1.0k", 1)),
        replace(DECK, analyses=(".dc v1 0 1 1",)),
        replace(DECK, saves=("v(b)",)),
        replace(DECK, sample_at=(1e-9,)),
        replace(DECK, sample_at=(np.nextafter(1e-9, 1),)),
        *(
            DECK.with_tolerances(**{name: value})
            for name, value in {
                "reltol": 1e-4, "abstol": 1e-12, "vntol": 1e-7, "chgtol": 1e-15, "gmin": 1e-13, "trtol": 1.0,
                "method": "gear", "maxord": 3, "itl1": 200, "itl4": 50, "temperature": 28.0,
            }.items()
        ),
    ]  # fmt: skip
    assert len(Tolerances.__dataclass_fields__) == 11
    keys |= {each.key("ngspice 46", klu=True) for each in changed}
    keys |= {DECK.key("ngspice 46", klu=False), DECK.key("ngspice 45", klu=True)}
    assert len(keys) == len(changed) + 3
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key in keys)


def test_the_pool_names_answers_by_its_simulator(pool: SimulatorPool) -> None:
    def key(simulator: Simulator) -> str:
        return SimulatorPool(1, simulator=simulator).key(DECK)

    simulator = pool.simulator
    assert key(simulator) == pool.key(DECK)
    assert key(replace(simulator, version=7, version_text="7")) != pool.key(DECK)
    assert key(replace(simulator, klu=not simulator.klu)) != pool.key(DECK)
    assert key(replace(simulator, library=Path("/elsewhere/libngspice.so"))) == pool.key(DECK)

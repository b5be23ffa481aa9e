"""Volumes, written and read by the real script in a folder: slow, stained, false and missing ones are found."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.probe_ground import Ground, ground, target, visit
from workloads import runner
from workloads.backends.cluster import inside
from workloads.backends.cluster.inside import SilentError, Word
from workloads.checks import volumes
from workloads.cluster import Visit
from workloads.jobs.probing import Probe
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import Outcome, Probes
from workloads.profile import QUICK

PROFILE = dataclasses.replace(QUICK, repetitions=2)
Between = Callable[[Path], object]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr(volumes, "BYTES", (8 << 20) + 1000)  # no whole number of blocks
    place = tmp_path / "volume"
    place.mkdir()
    with ground(tmp_path, monkeypatch, volume=place) as made:
        yield made


def looked(made: Ground, *, limit: float = 0.001, **classes: str) -> Probes:
    stack = target(**{f"cluster__storage__{purpose}": name for purpose, name in classes.items()})
    return volumes.throughput(stack, visit(made, PROFILE, storage__throughput=limit))


def judged(made: Ground, **others: Any) -> tuple[Outcome, str]:  # noqa: ANN401 - see above
    return runner.judge(looked(made, **others))


def before_reading(made: Ground, monkeypatch: pytest.MonkeyPatch, change: Between) -> None:
    """Something happens to the volume between the pod that writes and the pod that reads."""

    def ask(visit: Visit, here: Surroundings, probe: Probe) -> tuple[Word, ...]:
        assert made.volume is not None
        if probe.plan["do"] == "read":
            change(made.volume)
        return made.ask(visit, here, probe)

    monkeypatch.setattr(inside, "ask", ask)


def test_a_volume_that_keeps_its_word_passes(made: Ground) -> None:
    probes = looked(made)
    outcome, reason = runner.judge(probes)
    assert outcome is Outcome.PASS, reason
    assert [(one.unit, one.n, one.limit) for one in probes.measurements] == [("MB/s", 2, 0.001)] * 2
    assert probes.notes == [
        "this cluster has no class for shared volumes",
        "this cluster has no class for scratch volumes",
    ]


@pytest.mark.fails("storage.throughput", on="cluster")
def test_a_volume_that_is_too_slow_is_found(made: Ground) -> None:
    outcome, reason = judged(made, limit=1e9)
    assert outcome is Outcome.FAIL
    assert "not so: block volumes (standard) are written at 1e+09 MB/s" in reason
    assert "not so: block volumes (standard) are read at 1e+09 MB/s" in reason


def test_a_volume_that_holds_what_somebody_left_is_found(made: Ground) -> None:
    assert made.volume is not None
    (made.volume / "somebody's model").write_bytes(b"secret")
    (made.volume / "lost+found").mkdir()
    assert judged(made) == (
        Outcome.FAIL,
        "not so: block volumes (standard) hold nothing of anybody else when they are new (somebody's model)",
    )


def flipped(folder: Path) -> None:
    with (folder / "data-1").open("r+b") as file:
        file.seek(5 << 20)
        byte = file.read(1)
        file.seek(5 << 20)
        file.write(bytes([byte[0] ^ 1]))


FAULTS: dict[str, tuple[Between, str]] = {
    "one bit": (flipped, "data-1: another checksum"),
    "short": (lambda folder: os.truncate(folder / "data-0", 100), "data-0: another checksum"),
    "gone": (lambda folder: (folder / "data-1").unlink(), "data-1: FileNotFoundError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_volume_that_gives_back_something_else_is_found(
    made: Ground, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, said = FAULTS[fault]
    before_reading(made, monkeypatch, change)
    outcome, reason = judged(made)
    assert outcome is Outcome.FAIL
    assert f"comes back otherwise than it was written ({said}" in reason


def test_a_volume_that_takes_nothing_is_found(made: Ground) -> None:
    assert made.volume is not None
    made.volume.rmdir()
    outcome, reason = judged(made)
    assert outcome is Outcome.FAIL
    assert "block volumes (standard) take what is written and give it back" in reason


def silent(said: str) -> Callable[..., tuple[Word, ...]]:
    def ask(*_: object) -> tuple[Word, ...]:
        raise SilentError(said)

    return ask


def test_a_class_that_makes_no_volume_is_found(made: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    made.phases["proof-block"] = "Pending"
    monkeypatch.setattr(inside, "ask", silent("pod has unbound immediate PersistentVolumeClaims"))
    outcome, reason = judged(made)
    assert outcome is Outcome.FAIL
    assert "not so: block volumes (standard) are made when somebody claims one (pod has unbound" in reason


def test_a_pod_that_was_kept_back_by_something_else_says_nothing_about_volumes(
    made: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.phases["proof-block"] = "Pending"
    monkeypatch.setattr(inside, "ask", silent("0/3 nodes are available: 3 Insufficient cpu."))
    with pytest.raises(SilentError, match="Insufficient cpu"):
        judged(made)


def test_a_class_that_nobody_has_and_that_makes_volumes_all_the_same_is_found(made: Ground) -> None:
    made.phases["proof-nowhere"] = "Bound"
    outcome, reason = judged(made)
    assert (outcome, reason) == (
        Outcome.FAIL,
        "not so: a volume of a class that nobody has is never made (Bound)",
    )


def test_shared_volumes_are_read_from_another_node_than_they_were_written(
    made: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def ask(visit: Visit, here: Surroundings, probe: Probe) -> tuple[Word, ...]:
        asked.append((probe.name, probe.nodes))
        assert made.volume is not None
        if probe.name == "proof-shared-write":
            for one in made.volume.iterdir():
                one.unlink()
        return made.ask(visit, here, probe)

    monkeypatch.setattr(inside, "ask", ask)
    outcome, reason = judged(made, shared="files")
    assert outcome is Outcome.PASS, reason
    assert asked == [
        ("proof-block-write", ()), ("proof-block-read", ()),
        ("proof-shared-write", ("node-a",)), ("proof-shared-read", ("node-b",)),
    ]  # fmt: skip

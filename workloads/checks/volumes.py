"""Volumes of every class that the stack has: fresh when they are made, as fast as asked for, and true to every byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workloads.api import Json
from workloads.backends.cluster import inside
from workloads.backends.cluster.diagnosis import warnings
from workloads.backends.cluster.inside import SilentError, Word
from workloads.checks.jobs import home
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import probing, surroundings
from workloads.jobs.probing import Probe
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import Better, Measurement, Probes

THROUGHPUT = "storage.throughput"  # criterion: MB/s
SIZE = "20Gi"  # of a claim; no environment's smallest disk is larger
NOWHERE = "proof-nowhere"  # no class
BYTES = 256 << 20  # of a file
SECONDS = 900.0  # for all files: a volume that takes longer is not measured to its end


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """One class, and what it is for."""

    purpose: str
    storage_class: str
    shared: bool

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.purpose} volumes ({self.storage_class})"


def throughput(target: Target, visit: Visit) -> Probes:
    """One pod writes and syncs, another one reads: from another node where the class allows it."""
    probes, here, names = Probes(), home(target), target.storage
    nowhere = visit.submit(here.namespace, surroundings.claim("proof-nowhere", NOWHERE, shared=False, size=SIZE))
    classes = {"block": names.block, "shared": names.shared, "scratch": names.scratch}
    for purpose, storage_class in classes.items():
        if storage_class is None:
            probes.note(f"this cluster has no class for {purpose} volumes")
        else:
            volume = Volume(purpose=purpose, storage_class=storage_class, shared=purpose == "shared")
            _looked_at(probes, target, visit, here, volume)
    phase = _phase(visit, nowhere)
    probes.negative("a volume of a class that nobody has is never made", held=phase == "Pending", saw=phase)
    return probes


def _looked_at(probes: Probes, target: Target, visit: Visit, here: Surroundings, volume: Volume) -> None:
    made = visit.submit(
        here.namespace,
        surroundings.claim(f"proof-{volume.purpose}", volume.storage_class, shared=volume.shared, size=SIZE),
    )
    nodes = tuple(one.name for one in inside.nodes(target, visit)) if volume.shared else ()
    try:
        written = _asked(visit, here, made, do="write", nodes=nodes[:1])
        read = _asked(visit, here, made, do="read", nodes=nodes[1:2] or nodes[:1])
    except SilentError as error:
        told = warnings(visit, made, ())
        if _phase(visit, made) == "Bound" or not (told or "PersistentVolumeClaim" in str(error)):
            raise  # it was not the volume that kept the pod back
        probes.positive(f"{volume} are made when somebody claims one", held=False, saw="; ".join([*told, str(error)]))
        return
    _judged(probes, volume, written, read, visit.terms.limit(THROUGHPUT))
    if volume.shared and written.node == read.node:
        probes.note(f"{volume} were written and read on one node: there is no second one that runs pods")


def _asked(visit: Visit, here: Surroundings, made: Json, *, do: str, nodes: tuple[str, ...]) -> Word:
    claim, files = made["metadata"]["name"], visit.terms.profile.repetitions
    plan = {"do": do, "folder": probing.VOLUME, "files": files, "bytes": BYTES, "seed": visit.terms.seed}
    probe = Probe(name=f"{claim}-{do}", script="probe_volume.py", plan=plan, seconds=SECONDS, claim=claim,
                  nodes=nodes, amounts=probing.MEASURING, burst=probing.BURST)  # fmt: skip
    return inside.ask(visit, here, probe)[0]


def _phase(visit: Visit, made: Json) -> str:
    now = visit.read(made) or {}
    return str(now.get("status", {}).get("phase", "gone"))


def _judged(probes: Probes, volume: Volume, written: Word, read: Word, limit: float) -> None:
    for word in (written, read):
        if "error" in word.said:
            claim = f"{volume} take what is written and give it back"
            probes.positive(claim, held=False, saw=f"{word.pod} on {word.node}: {word.said['error']}")
            return
    left: list[str] = written.said["found"]
    claim = f"{volume} hold nothing of anybody else when they are new"
    probes.negative(claim, held=not left, saw=", ".join(left) or "empty")
    put: Mapping[str, Json] = written.said["files"]
    got: Mapping[str, Json] = read.said["files"]
    wrong = [
        f"{name}: {got[name].get('error') or 'another checksum'}"
        for name in put
        if got[name].get("digest") != put[name]["digest"] or got[name].get("bytes") != BYTES
    ]
    claim = f"no byte of {volume} comes back otherwise than it was written"
    saw = f"{len(put)} files, SHA-256, read by {read.pod} on {read.node}"
    probes.negative(claim, held=not wrong, saw="; ".join(wrong) or saw)
    past = all(one.get("direct") for one in got.values())
    how = "past the page cache" if past else "after the page cache was asked to forget: reads may be faster than disks"
    _fast(probes, f"{volume} are written at {limit:g} MB/s", put, limit=limit, how="written, each ended by a sync")
    if not wrong:
        _fast(probes, f"{volume} are read at {limit:g} MB/s", got, limit=limit, how=f"read {how}")


def _fast(probes: Probes, claim: str, files: Mapping[str, Json], *, limit: float, how: str) -> None:
    speed = BYTES / max(one["seconds"] for one in files.values()) / 1e6
    measurement = Measurement(
        metric="slowest file", value=speed, unit="MB/s", n=len(files), limit=limit, better=Better.HIGHER,
        method=f"the slowest of {len(files)} files of {BYTES >> 20} MiB, in sequence, {how}",
    )  # fmt: skip
    probes.measured(claim, measurement, held=speed >= limit)

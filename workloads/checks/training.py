"""Training on this machine: jobs learn and agree, speed grows with the ranks, models are stored and can be followed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from workloads import stats
from workloads.backends.process import models, processes, python, storage, training, web
from workloads.backends.process.bench import Bench
from workloads.outcome import Better, Kind, Measurement, NotMeasurableError, Probes, Series

OnBench = Callable[[Bench], Probes]
Train = Callable[..., training.Training]

RANKS = (1, 2)
SCALING_SIZE = "compact"  # big enough that a step is mostly arithmetic
LOSS_LEFT = 0.9  # of the first loss, at the end
MOST_WAITING = 0.1  # share of the time that a rank may want a core and have none, before others disturb too much
TARGET = 0.9  # accuracy, also what train.py asks for by itself
CONFIDENCE = 0.90  # two-sided: the lower end is a one-sided 95 % bound
UNREACHABLE = "1.01"
_NOT_FOUND = 404
_DENIED = 403


def scaling(criterion: str, train: Train = training.train) -> OnBench:
    """Two ranks do nearly twice as much as one: weak scaling, with turns, and an interval around the efficiency."""

    def check(bench: Bench) -> Probes:
        probes, limit, size = Probes(), bench.limit(criterion), bench.profile
        done = train(bench, SCALING_SIZE, ranks=RANKS, repetitions=size.repetitions, steps=size.training_steps)
        efficiency = _efficiency(done.turns)
        if efficiency.at_least(limit) is stats.Verdict.MARGINAL:  # extended once; what is marginal still fails
            again = train(bench, SCALING_SIZE, ranks=RANKS, repetitions=size.repetitions, steps=size.training_steps)
            done = dataclasses.replace(again, turns=(*done.turns, *again.turns))
            efficiency = _efficiency(done.turns)
        scaled(probes, efficiency, max(RANKS), "ranks", limit)
        _agree(probes, done)
        points = tuple((float(turn.ranks), turn.samples_per_second) for turn in done.turns)
        probes.series.append(Series(name="scaling", x_unit="ranks", y_unit="samples/s", points=points))
        probes.note("gloo over loopback on this machine's cores: no GPU and no network between nodes")
        return probes

    return check


def trains(size: str, train: Train = training.train) -> OnBench:
    """A job of this size ends well: the loss falls, the ranks agree, the model comes back from the store."""

    def check(bench: Bench) -> Probes:
        probes = Probes()
        done = train(bench, size, ranks=(max(RANKS),), repetitions=1, steps=bench.profile.training_steps)
        first, last = done.turns[-1].losses[0], done.turns[-1].losses[-1]
        fell(probes, done.parameters, last / first, n=len(done.turns[-1].losses), method="last against first step")
        _agree(probes, done)
        _stored(probes, bench.use(storage.artifacts), done.key, done.stored_version, done.sha256)
        curve = tuple((float(step), loss) for step, loss in enumerate(done.turns[-1].losses))
        probes.series.append(Series(name=f"loss/{size}", x_unit="steps", y_unit="loss", points=curve))
        return probes

    return check


def speed(bench: Bench) -> Probes:
    """Models an hour, each trained from nothing to its target and stored. Recorded; only the target can fail."""
    probes = Probes()
    every = [
        models.train(bench, "forest", bench.folder / "speed" / str(number), seed=42 + number)
        for number in range(bench.profile.repetitions)
    ]
    paced(
        probes,
        [one.seconds for one in every],
        reached=all(one.accuracy >= TARGET for one in every),
        method="3,600 s over the whole program, start to stored model",
    )
    words = ["--model", "svc", "--target", UNREACHABLE, "--out", bench.folder / "speed" / "unreachable"]
    try:
        python.finish(bench, "train-unreachable", [python.PROGRAMS / "train.py", *words], seconds=240)
        probes.negative("a target that is not reached is a failure", held=False, saw="the program ended well")
    except processes.SoftwareError as error:
        probes.negative("a target that is not reached is a failure", held="exit code 1" in str(error), saw=str(error))
    return probes


def artifacts(bench: Bench) -> Probes:
    """Models are stored in versions and come back as they were, to their owner and to nobody else."""
    probes, bucket, model = Probes(), bench.use(storage.artifacts), bench.use(models.TRAINED_SVC)
    _stored(probes, bucket, model.key, model.stored_version, model.sha256)
    newer = bucket.put(model.key, b"something else")
    old = hashlib.sha256(bucket.get(model.key, model.stored_version)).hexdigest()
    probes.positive(
        "a version outlives its successor",
        held=old == model.sha256 and bucket.get(model.key) == b"something else",
        saw=f"{model.stored_version} is still there beside {newer}",
    )
    who = bucket.identity
    wrong = storage.Identity(key=who.key if who else "nobody", secret="wrong")  # noqa: S106 - it must not open anything
    for said, other in (
        ("who shows no identity reads nothing", dataclasses.replace(bucket, identity=None)),
        ("who signs with a wrong key reads nothing", dataclasses.replace(bucket, identity=wrong)),
    ):
        reply = other.ask("GET", model.key)
        probes.negative(said, held=reply.status == _DENIED, saw=str(reply))
    elsewhere = dataclasses.replace(bucket, name="another").ask("PUT")
    probes.negative("the owner makes no other buckets", held=elsewhere.status == _DENIED, saw=str(elsewhere))
    return probes


def curves(bench: Bench) -> Probes:
    """TensorBoard shows the curve that training wrote, and nothing that nobody wrote."""
    board, model, probes = bench.use(training.tensorboard), bench.use(models.TRAINED_FOREST), Probes()
    asked = f"{board}{scalars(model.folder.name)}"
    processes.wait_until(lambda: web.call(f"{asked}loss").ok, within=60)
    reply = web.call(f"{asked}loss")
    curve = points(reply.json) if reply.ok else ()
    shown(probes, curve, [float(trees) for trees in range(10, 101, 10)], web.call(f"{asked}nothing").status)
    probes.series.append(Series(name="loss/forest", x_unit="trees", y_unit="training error", points=curve))
    return probes


def scalars(run: str) -> str:
    """Where TensorBoard tells a curve of a run; the name of the curve has to follow."""
    return f"/data/plugin/scalars/scalars?run={run}&tag="


def points(told: list[list[float]]) -> tuple[tuple[float, float], ...]:
    """Steps and values of a curve, as TensorBoard tells it."""
    return tuple((float(step), float(value)) for _, step, value in told)


def shown(probes: Probes, curve: Sequence[tuple[float, float]], steps: Sequence[float], unknown: int) -> None:
    """Whether TensorBoard has every step that was written; `unknown` is its answer about what nobody wrote."""
    probes.positive(
        "TensorBoard shows the loss of every step",
        held=[step for step, _ in curve] == list(steps),
        saw=f"{len(curve)} points",
    )
    probes.negative("it shows no curve that nobody wrote", held=unknown == _NOT_FOUND, saw=str(unknown))


def scaled(probes: Probes, efficiency: stats.Estimate, most: int, of: str, limit: float) -> None:
    """Whether many ranks, or nodes, do nearly as many times the work of one."""
    probes.measured(
        f"{most} {of} do at least {limit:g} x {most} times the work of one",
        Measurement(
            metric=f"scaling efficiency of {most} {of}", value=efficiency.value, unit="of 1", n=efficiency.n,
            method=efficiency.method, limit=limit, better=Better.HIGHER, low=efficiency.low, high=efficiency.high,
            confidence=efficiency.confidence,
        ),
        held=efficiency.at_least(limit) is stats.Verdict.PASS,
    )  # fmt: skip


def fell(probes: Probes, parameters: int, left: float, *, n: int, method: str) -> None:
    """Whether something was learned."""
    probes.measured(
        f"the loss of {parameters:,} parameters falls",
        Measurement(metric="loss left", value=left, unit="of the first", n=n, method=method, limit=LOSS_LEFT),
        held=left <= LOSS_LEFT,
    )


def came_back(probes: Probes, model: str, found: str, written: str) -> None:
    """Whether a model that was stored is the one that comes back, by its digest."""
    probes.positive(
        f"{model} comes back from the store as it was written",
        held=found == written,
        saw=f"sha256 {found[:12] or 'of nothing'}, written {written[:12]}",
    )


def paced(probes: Probes, seconds: Sequence[float], *, reached: bool, method: str) -> None:
    """Models an hour from how long each took; only a model that misses its target fails."""
    spread = stats.mean([3_600 / one for one in seconds], confidence=0.95)
    probes.measured(
        "every model reaches its target",
        Measurement(
            metric="training speed", value=spread.value, unit="models/hour", n=len(seconds), better=Better.HIGHER,
            method=method, low=spread.low, high=spread.high, confidence=spread.confidence,
        ),
        held=reached,
    )  # fmt: skip


def agreed(probes: Probes, apart: int, of: int, method: str) -> None:
    """Whether all ranks have learned the same, in every turn."""
    probes.measured(
        "no rank ends with other weights than the others",
        Measurement(
            metric="turns whose ranks differ", value=float(apart), unit="turns", n=of, method=method, limit=0.0
        ),
        held=not apart,
        kind=Kind.NEGATIVE,
    )


def _efficiency(turns: tuple[training.Turn, ...]) -> stats.Estimate:
    """The turns of one rank against those of most; INVALID if others had the cores meanwhile."""
    one, most = min(RANKS), max(RANKS)
    if (waited := max(share for turn in turns for share in turn.waited_shares)) > MOST_WAITING:
        raise NotMeasurableError(f"a rank waited for a core {waited:.0%} of the time: other programs had them")
    many = [turn.samples_per_second for turn in turns if turn.ranks == most]
    single = [turn.samples_per_second for turn in turns if turn.ranks == one]
    return stats.scaling_efficiency(single, many, most // one, confidence=CONFIDENCE)


def _agree(probes: Probes, done: training.Training) -> None:
    wrong = [turn for turn in done.turns if set(turn.sums_of_ranks) != {turn.ranks * (turn.ranks + 1) / 2}]
    probes.positive(
        "a sum over all ranks is right on every rank",
        held=not wrong,
        saw=f"wrong in {len(wrong)} of {len(done.turns)} turns",
    )
    apart = [turn for turn in done.turns if len(set(turn.weights)) != 1]
    agreed(probes, len(apart), len(done.turns), "hash of every rank's weights")


def _stored(probes: Probes, bucket: storage.Bucket, key: str, version: str, sha256: str) -> None:
    came_back(probes, Path(key).parent.name, hashlib.sha256(bucket.get(key, version)).hexdigest(), sha256)

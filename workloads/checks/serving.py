"""Models as services, on this machine: how each is reached there; what is claimed of it stands in `answering`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from workloads import load
from workloads.asked import V1, V2, Asked, Known, Split, at
from workloads.backends.process import models
from workloads.backends.process.bench import Bench
from workloads.backends.process.models import NAME, Endpoint, Served
from workloads.backends.process.processes import Program
from workloads.checks import answering
from workloads.outcome import Probes
from workloads.reach import Reach

OnBench = Callable[[Bench], Probes]

_FIELDS = ("sepal_length_mm", "sepal_width_mm", "petal_length_mm", "petal_width_mm")
_REFUSED = range(400, 500)
_NO_SUCH_MODEL = frozenset({404})


def answers(served: Served) -> OnBench:
    """Known inputs give known answers over V1 and V2, and what is no input is refused."""

    def check(bench: Bench) -> Probes:
        probes = Probes()
        answering.answers(probes, _asked(bench.use(served)))
        return probes

    return check


def latency(served: Served, criterion: str) -> OnBench:
    """95 % of the requests are answered within the criterion's limit."""

    def check(bench: Bench) -> Probes:
        probes = Probes()
        answering.in_time(probes, bench, _asked(bench.use(served)), criterion)
        return probes

    return check


def day(bench: Bench) -> Probes:
    """A day's requests, compressed, with bursts."""
    endpoint, probes = bench.use(models.SVC), Probes()
    answering.day(probes, bench, _asked(endpoint), _Watched(program=endpoint.program))
    return probes


def batch(bench: Bench) -> Probes:
    """Every row of a batch is answered once."""
    probes = Probes()
    answering.batch(probes, bench, _asked(bench.use(models.SVC)))
    return probes


def transformed(bench: Bench) -> Probes:
    """Through the transformer, flowers with names give what their rows give directly."""
    front, probes = bench.use(models.transformer), Probes()
    asked, reach = _asked(front.predictor), Reach(url=front.url)
    rows = asked.known.rows
    flowers = [{name: value * 10 for name, value in zip(_FIELDS, row, strict=True)} for row in rows]
    through, direct = reach.post(asked.speech.path, {"instances": flowers}), asked.ask(asked.speech, rows)
    probes.positive(
        f"{len(flowers)} flowers get the same answers with and without the transformer",
        held=through.ok and direct.ok and at(through, *asked.speech.field) == at(direct, *asked.speech.field),
        saw=f"{through} | {direct}"[:300],
    )
    missing = {name: value for name, value in flowers[0].items() if name != _FIELDS[-1]}
    body = {"instances": [missing]}
    answering.refused(probes, asked, reach, asked.speech.path, body, what="a flower without one of its measures")
    return probes


def explained(bench: Bench) -> Probes:
    """What an explanation says of the features adds up to what the model says."""
    front, probes = bench.use(models.explainer), Probes()
    asked, reach = _asked(front.predictor), Reach(url=front.url)
    known, path = asked.known, f"/v1/models/{NAME}:explain"
    answer = reach.post(path, {"instances": known.rows}, seconds=300)
    rows: list[dict[str, Any]] = at(answer, "explanations") or []
    right = sum(one["class"] == wanted for one, wanted in zip(rows, known.answers, strict=False))
    gaps = tuple(_gap(one, shares) for one, shares in zip(rows, known.shares, strict=False))
    method = "base and contributions against the probability that the library gave at training"
    found = answering.Explained(gaps=gaps, right=right, of=len(known.rows), unit="of probability", method=method)
    answering.explained(probes, found)
    answering.refused(probes, asked, reach, path, {"instances": [known.rows[0][1:]]})
    return probes


def split(gateway: Callable[[Bench], AbstractContextManager[models.Split]]) -> OnBench:
    """Two versions behind a gateway get the shares that it is told."""

    def check(bench: Bench) -> Probes:
        front, probes = bench.use(gateway), Probes()
        first, second = (bench.use(one) for one in models.REVISIONS)
        url, _, path = front.url.partition("/v1/")
        rows = (*first.trained.golden.rows, *second.trained.golden.rows)
        expect = load.Expect(tally=("model_version",))
        payloads = tuple(
            load.Payload(body=json.dumps({"instances": [row]}).encode("utf-8"), expect=expect) for row in rows
        )
        between = Split(
            reach=Reach(url=url, host=front.host, ca=front.ca), path=f"/v1/{path}", payloads=payloads,
            second=second.version, shift=front.shift,
        )  # fmt: skip
        answering.split(probes, bench, between)
        return probes

    return check


@dataclass(kw_only=True)
class _Watched:
    """A server that is a process of this machine."""

    program: Program
    _seen: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def look(self, progress: load.Progress) -> None:
        if progress.phase == "measure" and self.program.alive:
            self._seen.append((progress.seconds, _resident(self.program.pid)))

    def same(self) -> tuple[bool, str]:
        alive = self.program.alive
        return alive, f"process {self.program.pid}, {'running' if alive else 'gone'}"

    @property
    def memory(self) -> tuple[tuple[float, float], ...]:
        return tuple(self._seen)


def _asked(endpoint: Endpoint) -> Asked:
    golden = endpoint.trained.golden
    return Asked(
        name=endpoint.trained.model,
        reach=Reach(url=endpoint.url),
        speech=V1(model=NAME),
        others=(V2(model=NAME),),
        named=V1(model=NAME),
        known=Known(rows=golden.rows, answers=golden.classes, shares=golden.probabilities),
        refusals=_REFUSED,
        unknown=_NO_SUCH_MODEL,
    )


def _gap(explanation: dict[str, Any], shares: Sequence[float]) -> float:
    base: float = explanation["base"]
    parts: list[float] = explanation["contributions"]
    predicted: int = explanation["class"]
    return abs(base + sum(parts) - shares[predicted])


def _resident(pid: int) -> float:
    """Memory of a process in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 - no file of this project
        kib = next((line.split()[1] for line in status if line.startswith("VmRSS:")), "0")
    return int(kib) / 1024

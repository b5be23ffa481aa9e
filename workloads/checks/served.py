"""Models as services of a cluster: how each is deployed and reached; what is claimed of it stands in `answering`."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager

from workloads import load
from workloads.asked import V1, Split, at
from workloads.backends.cluster.following import End, follow
from workloads.backends.cluster.services import START_SECONDS, Behind, Pods, Served, behind
from workloads.backends.process.web import Reply
from workloads.checks import answering
from workloads.checks.inference import traffic
from workloads.checks.jobs import home, need_containers
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import serving
from workloads.outcome import NotMeasurableError, Probes

Check = Callable[[Target, Visit], Probes]

CENTIMETRES = 2.54  # of an inch, which workloads/jobs/scripts/transformer.py takes
_FIRST, _SECOND = "1", "2"  # versions of a canary
_ONE_PROTOCOL = "its server speaks V2 only: Triton, which KServe's own runtime for PyTorch is"


@contextmanager
def opened(target: Target, visit: Visit) -> Generator[Behind]:
    """The home tenant behind the gateway."""
    need_containers(target, "models answer")
    with behind(home(target), visit) as site:
        yield site


def answers(kind: str) -> Check:
    """Known inputs give known answers over every protocol of the server, and what is no input is refused."""

    def check(target: Target, visit: Visit) -> Probes:
        probes = Probes()
        with opened(target, visit) as site:
            if (found := site.model(probes, kind)) is not None:
                answering.answers(probes, found[1])
                if not found[1].others:
                    probes.note(_ONE_PROTOCOL)
        return probes

    return check


def latency(kind: str, criterion: str) -> Check:
    """95 % of the requests are answered within the criterion's limit, from here and back."""

    def check(target: Target, visit: Visit) -> Probes:
        probes = Probes()
        with opened(target, visit) as site:
            if (found := site.model(probes, kind)) is not None:
                answering.in_time(probes, visit.terms, found[1], criterion)
        return probes

    return check


def day(target: Target, visit: Visit) -> Probes:
    """A day's requests, compressed, with bursts; the pods that began are the ones that end."""
    probes = Probes()
    with opened(target, visit) as site:
        if (found := site.model(probes, "sklearn", quick=True)) is not None:
            served, asked = found
            answering.day(probes, visit.terms, asked, Pods(visit, served))
    return probes


def batch(target: Target, visit: Visit) -> Probes:
    """Every row of a batch is answered once."""
    probes = Probes()
    with opened(target, visit) as site:
        if (found := site.model(probes, "sklearn", quick=True)) is not None:
            answering.batch(probes, visit.terms, found[1])
    return probes


def transformed(target: Target, visit: Visit) -> Probes:
    """Through the transformer, inches get what their centimetres are known to get."""
    probes, name = Probes(), "proof-transformer"
    with opened(target, visit) as site:
        known = site.known("sklearn", name, serving.scripts("transformer"))
        served = site.serve(probes, serving.around(site.here, name, "transformer"))
        if served is None:
            return probes
        asked = site.asked("sklearn", served, known)
        inches = [[value / CENTIMETRES for value in row] for row in known.rows]
        through = asked.ask(asked.speech, inches)
        held = asked.right(asked.speech, through, known.answers)
        claim = f"{len(inches)} flowers in inches get the answers that are known of them in centimetres"
        probes.positive(claim, held=held, saw=str(through)[:300])
        odd = {"instances": [[*map(str, inches[0][:-1]), "long"]]}
        answering.refused(probes, asked, asked.reach, asked.speech.path, odd, what="a flower whose measure is a word")
    return probes


def explained(target: Target, visit: Visit) -> Probes:
    """What an explanation says of the features adds up to what the model says."""
    probes, name = Probes(), "proof-explainer"
    with opened(target, visit) as site:
        known = site.known("sklearn", name, serving.scripts("explainer"))
        served = site.serve(probes, serving.around(site.here, name, "explainer"))
        if served is None:
            return probes
        asked, path = site.asked("sklearn", served, known), f"/v1/models/{name}:explain"
        gaps, right = list[float](), 0
        for row, wanted in zip(known.rows, known.answers, strict=True):
            reply = asked.reach.post(path, {"instances": [list(row)]}, seconds=300)
            parts: list[float] | None = at(reply, "explanations")
            base: float | None = at(reply, "base")
            if parts is not None and base is not None:
                gaps.append(abs(base + sum(parts) - wanted))
                right += at(reply, "prediction") == wanted
        method = "base and contributions against the class that the library gave when the model was made"
        found = answering.Explained(gaps=tuple(gaps), right=right, of=len(known.rows), unit="of a class", method=method)
        answering.explained(probes, found)
        answering.refused(probes, asked, asked.reach, path, {"instances": [list(known.rows[0][1:])]})
    return probes


def split(target: Target, visit: Visit) -> Probes:
    """A canary gets the share that it is given; promoting and rolling back loses nothing."""
    probes, name = Probes(), "proof-canary"
    with opened(target, visit) as site:
        body = serving.versioned(site.here, name, _FIRST, mode="Knative")
        served = site.serve(probes, body, scripts="versioned")
        if served is None:
            return probes
        between = _between(visit, served)
        site.heard(lambda: _ask(between).status)
        answering.split(probes, visit.terms, between)
    probes.note("between two loads the version that gets requests is asked until it answers: its pods may have to come")
    return probes


def _between(visit: Visit, served: Served) -> Split:
    path, row = V1(model=served.name).path, [1.0, 2.0, 3.0, 4.0]
    expect = load.Expect(checks=(load.Check(path=("predictions",), equals=[sum(row)]),), tally=("version",))
    payload = load.Payload(body=json.dumps({"instances": [row]}).encode("utf-8"), expect=expect)

    def shift(share: float) -> None:
        percent = round(100 * share)
        answer = visit.change(served.made, lambda body: serving.canary(body, _SECOND, percent))
        answer.expect(f"give {percent} % of the requests to the second version")
        course = follow(visit, served.made, wanted=End.RUNNING, seconds=START_SECONDS)
        routed = visit.watch(lambda: traffic(visit, served.made), lambda now: _is(now, percent), visit.timeout_seconds)
        if not _is(routed, percent):
            raise NotMeasurableError(f"the shares never became {percent} %: {routed}; {course}")
        wanted = {_SECOND} if percent else {_FIRST}
        visit.watch(lambda: at(_ask(between), "version"), lambda one: one in wanted, START_SECONDS)

    between = Split(reach=served.reach, path=path, payloads=(payload,), second=_SECOND, shift=shift)
    return between


def _ask(between: Split) -> Reply:
    return between.reach.call(between.path, body=between.payloads[0].body)


def _is(routed: list[int], percent: int) -> bool:
    return routed == sorted(filter(None, (percent, 100 - percent)))

"""Models as services, on this machine: right answers, in time, all day, in batches, transformed, explained, split."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from workloads import load, stats
from workloads.backends.process import models, web
from workloads.backends.process.bench import Bench
from workloads.backends.process.models import NAME, Endpoint, Served, Split
from workloads.checks import offered
from workloads.outcome import Attachment, Better, Measurement, Probes, Series

OnBench = Callable[[Bench], Probes]

CLOSE = 1e-5  # probabilities pass through single precision and JSON
ADDITIVE = 1e-6
HOUR = 3_600
BURSTS, BURST_SECONDS = 3, 2.0
CANARY_SHARE = 0.2  # canaryTrafficPercent: 20
CONFIDENCE = 0.99
_REFUSED = range(400, 500)
_NO_SUCH_MODEL = 404


def answers(served: Served) -> OnBench:
    """Known inputs give known answers over V1 and V2, and what is no input is refused."""

    def check(bench: Bench) -> Probes:
        endpoint, probes = bench.use(served), Probes()
        golden = endpoint.trained.golden
        right_v1 = right_v2 = 0
        odd: list[str] = []
        for row, wanted, shares in zip(golden.rows, golden.classes, golden.probabilities, strict=True):
            one, two = web.post(endpoint.v1, {"instances": [row]}), web.post(endpoint.v2, _v2(row))
            is_one = one.ok and one.json["predictions"] == [wanted] and _near(one.json["probabilities"][0], shares)
            is_two = two.ok and two.json["outputs"][0]["data"] == [wanted]
            right_v1, right_v2 = right_v1 + is_one, right_v2 + is_two
            odd.extend(f"{row}: expected {wanted}, got {one} and {two}" for _ in range(1) if not (is_one and is_two))
        _golden(probes, "V1", right_v1, len(golden.rows))
        _golden(probes, "V2", right_v2, len(golden.rows))
        whole = web.post(endpoint.v1, {"instances": golden.rows})
        probes.positive(
            "all rows in one request give the same answers",
            held=whole.ok and whole.json["predictions"] == list(golden.classes),
            saw=str(whole)[:200],
        )
        _is_refused(probes, "a row with a feature too few", web.post(endpoint.v1, {"instances": [golden.rows[0][1:]]}))
        unknown = web.post(endpoint.v1.replace(f"/{NAME}:", "/unknown:"), {"instances": [golden.rows[0]]})
        probes.negative("nobody answers for an unknown model", held=unknown.status == _NO_SUCH_MODEL, saw=str(unknown))
        probes.attachments.extend(Attachment(name="wrong-answers.txt", text="\n".join(odd)) for _ in range(1) if odd)
        return probes

    return check


def latency(served: Served, criterion: str) -> OnBench:
    """95 % of the requests are answered within the criterion's limit, in milliseconds, at the profile's rate."""

    def check(bench: Bench) -> Probes:
        endpoint, probes, limit = bench.use(served), Probes(), bench.limit(criterion)
        rate = bench.profile.endpoint
        plan = load.Plan(
            arrivals=load.poisson(rate=rate.rate, seconds=rate.seconds),
            endpoints=(load.Endpoint(name=NAME, url=endpoint.v1, payloads=_payloads(endpoint)),),
            seed=bench.seed, limit_seconds=limit / 1e3, warm_up_seconds=rate.warm_up_seconds,
        )  # fmt: skip
        results = [offered.measure(bench, plan)]
        if offered.percentile(Probes(), "", "", results, limit_ms=limit) is stats.Verdict.MARGINAL:
            results.append(offered.measure(bench, plan))  # extended once; what is marginal still fails
        said = f"95 % of {rate.rate:.0f} requests a second are answered within {limit:g} ms"
        offered.percentile(probes, said, "p95 latency", results, limit_ms=limit)
        for result in results:
            offered.failures(probes, "no request fails", result)
        offered.keep(probes, f"latency-{endpoint.trained.model}", plan, results[-1])
        return probes

    return check


def day(bench: Bench) -> Probes:
    """A day's requests, compressed, with bursts: none fails, and the server that began is the one that ends."""
    endpoint, probes, size = bench.use(models.SVC), Probes(), bench.profile.day
    plan = load.Plan(
        arrivals=load.bursts(
            requests=size.requests, seconds=size.seconds, count=BURSTS, length=BURST_SECONDS,
            factor=bench.profile.day_burst,
        ),
        endpoints=(load.Endpoint(name=NAME, url=endpoint.v1, payloads=_payloads(endpoint)),),
        seed=bench.seed, warm_up_seconds=size.warm_up_seconds,
    )  # fmt: skip
    memory: list[tuple[float, float]] = []

    def look(progress: load.Progress) -> None:
        if progress.phase == "measure" and endpoint.program.alive:
            memory.append((progress.seconds, _resident(endpoint.program.pid)))

    result = offered.measure(bench, plan, lambda one: load.run(one, look))
    offered.failures(probes, f"none of {result.offered:,} requests fails", result)
    probes.positive(
        "the server that began is the one that ends",
        held=endpoint.program.alive,
        saw=f"process {endpoint.program.pid}, {'running' if endpoint.program.alive else 'gone'}",
    )
    each_day = result.ok / result.seconds * 24 * HOUR
    probes.note(f"{size.requests:,} requests in {size.seconds:g} s are {each_day:,.0f} a day; no day was waited for")
    probes.series.append(Series(name="day/memory", x_unit="s", y_unit="MiB", points=tuple(memory)))
    offered.keep(probes, "day", plan, result)
    return probes


def batch(bench: Bench) -> Probes:
    """Every row of a batch has an id of its own, and each id comes back once with the right answer."""
    endpoint, probes, size = bench.use(models.SVC), Probes(), bench.profile.batch
    golden, limit = endpoint.trained.golden, bench.limit("serving.batch")
    payloads = tuple(
        _payload(golden.rows[number % len(golden.rows)], golden.classes[number % len(golden.rows)], f"row-{number}")
        for number in range(size.requests)
    )
    plan = load.Plan(
        arrivals=load.constant(rate=size.rate, seconds=size.seconds),
        endpoints=(load.Endpoint(name=NAME, url=endpoint.v1, payloads=payloads),),
        seed=bench.seed, warm_up_seconds=0, timeout_seconds=60,
    )  # fmt: skip
    result = offered.measure(bench, plan)
    counts = result.answered.get(NAME, ())
    once = sum(count == 1 for count in counts)
    probes.measured(
        f"{limit:,.0f} rows an hour are answered",
        Measurement(
            metric="rows answered", value=once / result.seconds * HOUR, unit="rows/hour", n=result.offered,
            method="distinct ids with a right answer over the length of the window", limit=limit, better=Better.HIGHER,
        ),
        held=once / result.seconds * HOUR >= limit,
    )  # fmt: skip
    probes.negative(
        "no row is lost, answered wrongly, or answered for another",
        held=once == size.requests == len(counts),
        saw=f"{once:,} of {size.requests:,} ids answered once and rightly; errors: {dict(result.errors) or 'none'}",
    )
    silent = [block.start for block in result.blocks(1) if block.offered and not block.ok]
    probes.negative(
        "no second passes without an answer",
        held=not silent,
        saw=f"{len(silent)} of {len(result.series.offered)} seconds without one",
    )
    offered.keep(probes, "batch", plan, result)
    return probes


def transformed(bench: Bench) -> Probes:
    """Through the transformer, flowers with names give what their rows give directly."""
    front, probes = bench.use(models.transformer), Probes()
    golden = front.predictor.trained.golden
    fields = ("sepal_length_mm", "sepal_width_mm", "petal_length_mm", "petal_width_mm")
    flowers = [{name: value * 10 for name, value in zip(fields, row, strict=True)} for row in golden.rows]
    url = f"{front.url}/v1/models/{NAME}:predict"
    through, direct = web.post(url, {"instances": flowers}), web.post(front.predictor.v1, {"instances": golden.rows})
    probes.positive(
        f"{len(flowers)} flowers get the same answers with and without the transformer",
        held=through.ok and direct.ok and through.json["predictions"] == direct.json["predictions"],
        saw=f"{through} | {direct}"[:300],
    )
    missing = {name: value for name, value in flowers[0].items() if name != fields[-1]}
    _is_refused(probes, "a flower without one of its measures", web.post(url, {"instances": [missing]}))
    return probes


def explained(bench: Bench) -> Probes:
    """What an explanation says of the features adds up to what the model says."""
    front, probes = bench.use(models.explainer), Probes()
    golden, url = front.predictor.trained.golden, f"{front.url}/v1/models/{NAME}:explain"
    answer = web.post(url, {"instances": golden.rows}, seconds=300)
    rows: list[dict[str, Any]] = answer.json["explanations"] if answer.ok else []
    gaps = [_gap(one, shares) for one, shares in zip(rows, golden.probabilities, strict=False)]
    right = sum(one["class"] == wanted for one, wanted in zip(rows, golden.classes, strict=False))
    probes.measured(
        "the parts of each explanation add up to the model's own answer",
        Measurement(
            metric="greatest gap", value=max(gaps, default=1.0), unit="of probability", n=len(gaps),
            method="base and contributions against the probability that the library gave at training", limit=ADDITIVE,
        ),
        held=len(gaps) == len(golden.rows) == right and max(gaps) <= ADDITIVE,
    )  # fmt: skip
    _is_refused(probes, "a row with a feature too few", web.post(url, {"instances": [golden.rows[0][1:]]}))
    return probes


def split(gateway: Callable[[Bench], AbstractContextManager[Split]]) -> OnBench:
    """Two versions behind a gateway get the shares that it is told; promoting and rolling back loses nothing."""

    def check(bench: Bench) -> Probes:
        front, probes = bench.use(gateway), Probes()
        first, second = (bench.use(one) for one in models.REVISIONS)
        for share, said in (
            (CANARY_SHARE, f"{CANARY_SHARE:.0%} of the requests reach the canary"),
            (1.0, "once promoted, all do"),
            (0.0, "once rolled back, none does"),
        ):
            front.shift(share)
            size = bench.profile.endpoint
            plan = load.Plan(
                arrivals=load.poisson(rate=size.rate, seconds=bench.profile.split_requests / size.rate),
                endpoints=(
                    load.Endpoint(name=NAME, url=front.url, host=front.host, payloads=_both(first, second)),
                ),
                seed=bench.seed, warm_up_seconds=0, ca=front.ca,
            )  # fmt: skip
            result = offered.measure(bench, plan)
            reached = result.seen.get(second.version, 0)
            low, high = stats.share_band(result.offered, share, confidence=CONFIDENCE)
            probes.measured(
                said,
                Measurement(
                    metric="share of the second version", value=100 * reached / result.offered, unit="%",
                    n=result.offered, method=f"versions in the answers; by chance {low:,} to {high:,} requests",
                    low=100 * low / result.offered, high=100 * high / result.offered, confidence=CONFIDENCE,
                ),
                held=low <= reached <= high,
            )  # fmt: skip
            offered.failures(probes, f"no request fails at {share:.0%}", result)
        return probes

    return check


def _gap(explanation: dict[str, Any], shares: Sequence[float]) -> float:
    base: float = explanation["base"]
    parts: list[float] = explanation["contributions"]
    predicted: int = explanation["class"]
    return abs(base + sum(parts) - shares[predicted])


def _v2(row: Sequence[float]) -> object:
    return {"inputs": [{"name": "rows", "shape": [1, len(row)], "datatype": "FP32", "data": list(row)}]}


def _golden(probes: Probes, protocol: str, right: int, of: int) -> None:
    probes.measured(
        f"{of} known inputs give their known answers over {protocol}",
        Measurement(
            metric=f"right answers over {protocol}", value=100 * right / of, unit="%", n=of, better=Better.HIGHER,
            method="against the library's own answers at training", limit=100.0,
        ),
        held=right == of,
    )  # fmt: skip


def _near(found: Sequence[float], wanted: Sequence[float]) -> bool:
    return len(found) == len(wanted) and all(abs(one - two) <= CLOSE for one, two in zip(found, wanted, strict=True))


def _is_refused(probes: Probes, what: str, reply: web.Reply) -> None:
    probes.negative(f"{what} is refused", held=reply.status in _REFUSED, saw=str(reply))


def _payload(row: Sequence[float], wanted: int, known: str = "") -> load.Payload:
    checks = [load.Check(path=("predictions",), equals=[wanted])]
    body: dict[str, object] = {"instances": [list(row)]}
    if known:
        body["id"] = known
        checks.append(load.Check(path=("id",), equals=known))
    return load.Payload(body=json.dumps(body).encode("utf-8"), expect=load.Expect(checks=tuple(checks)))


def _payloads(endpoint: Endpoint) -> tuple[load.Payload, ...]:
    golden = endpoint.trained.golden
    return tuple(_payload(row, wanted) for row, wanted in zip(golden.rows, golden.classes, strict=True))


def _both(first: Endpoint, second: Endpoint) -> tuple[load.Payload, ...]:
    """Requests that both versions answer, each in its own way; the answers tell which one it was."""
    expect = load.Expect(tally=("model_version",))
    rows = (*first.trained.golden.rows, *second.trained.golden.rows)
    return tuple(load.Payload(body=json.dumps({"instances": [row]}).encode("utf-8"), expect=expect) for row in rows)


def _resident(pid: int) -> float:
    """Memory of a process in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 - no file of this project
        kib = next((line.split()[1] for line in status if line.startswith("VmRSS:")), "0")
    return int(kib) / 1024

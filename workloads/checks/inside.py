"""What pods reach inside of the cluster: each other on all nodes, and names of services; and who reaches neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workloads import stats
from workloads.backends.cluster import inside
from workloads.backends.cluster.inside import Server, Word
from workloads.checks.jobs import home
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs import probing
from workloads.jobs.probing import Probe
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import Better, Kind, Measurement, NotMeasurableError, Probes

Json = dict[str, Any]

PAYLOAD = 1 << 20  # bytes: many packets of any size that a network may allow
PATIENCE = 30.0  # seconds in which a server that has just been started may be refused
ANSWER_SECONDS = 3.0  # after which a connection counts as not reached
LOOKUPS, LOOKUPS_A_SECOND = 200, 100.0  # of each name and from each node; of all names together
LOOKUP_SECONDS, LOOKUP_QUANTILE = 0.1, 0.95
MOST_LATE_SECONDS = 0.01  # of the prober itself, at its own 99th percentile
ROUNDS = (1.0, 5.0, 10.0)  # seconds after the start: some networks fence a new pod a moment later
SETTLED = 2  # of the rounds, from the end: in these nothing may pass any more
_NAMES, _RANKS = "proof-names", "proof-ranks"
_STAY = 900.0  # seconds that servers stay, of their own


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Somewhere outside of a tenant."""

    said: str
    host: str
    port: int
    node: str = ""  # that it is on: a pod may always reach its own node

    @property
    def id(self) -> str:
        """Name in a plan."""
        return f"{self.host}:{self.port}"

    def target(self, how: str = "tcp") -> Json:
        """For a plan."""
        return {"id": self.id, "host": self.host, "port": self.port, "how": how}


def pods_reach_each_other(target: Target, visit: Visit) -> Probes:
    """A pod on every node exchanges payloads with a pod on every node; a pod outside of the tenant reaches none."""
    probes, here, spots = Probes(), home(target), inside.nodes(target, visit)
    names = tuple(one.name for one in spots)
    ranks = probing.server(_RANKS, seconds=_STAY, nodes=names)
    servers = inside.serve(visit, here, ranks)
    peers = [{"pod": one.pod, "host": one.address, "port": probing.PORT} for one in servers]
    tries = visit.terms.profile.probe_tries
    plan = {"peers": peers, "bytes": PAYLOAD, "tries": tries, "patience": PATIENCE}
    words = inside.ask(visit, here, Probe(name="proof-pairs", script="probe_pairs.py", plan=plan, seconds=300,
                                          nodes=names))  # fmt: skip
    _exchanged(probes, words, servers, tries)
    beside = neighbour(target, visit)
    places = [Place(said=f"the pod on {one.node}", host=one.address, port=probing.PORT) for one in servers]
    outside = [inside.outsider(target)]
    outside += [Surroundings(target=target, tenant=one) for one in target.tenants.values() if one != here.tenant][:1]
    for who in outside:
        seen = tried(visit, who, "proof-stranger", [*places, beside] if who is outside[0] else places)
        if who is outside[0] and not reached(seen, beside):
            raise NotMeasurableError(f"a pod in {who.namespace} reaches nobody at all: {said(seen, beside)}")
        through = [one.said for one in places if reached(seen, one)]
        claim = f"a pod in {who.namespace} reaches none of them"
        probes.negative(claim, held=not through, saw=f"reaches {', '.join(through)}" if through else "none reached")
    inside.still(visit, here, ranks, servers)
    if len(spots) == 1:
        probes.note("this cluster has one node that runs pods: nothing between nodes was looked at")
    return probes


def _exchanged(probes: Probes, words: Sequence[Word], servers: Sequence[Server], tries: int) -> None:
    where = {one.pod: one.node for one in servers}
    wrong: list[str] = []
    slowest = ("", float("inf"))
    for word in words:
        told: Mapping[str, Json] = word.said["peers"]
        for pod, node in where.items():
            peer = told.get(pod) or {"right": 0, "said": ["it was not asked"], "megabytes": 0.0}
            if peer["right"] != tries:
                wrong.append(f"{word.node} to {node}: {peer['right']} of {tries} ({'; '.join(peer['said'])})")
            slowest = min(slowest, (f"{word.node} to {node}", peer["megabytes"]), key=lambda one: one[1])
    claim = f"payloads of 1 MiB come back as they were sent, between all {len(words) * len(where)} pairs of pods"
    probes.positive(claim, held=not wrong, saw="; ".join(wrong) or f"slowest: {slowest[0]}, {slowest[1]:g} MB/s")


def neighbour(target: Target, visit: Visit) -> Place:
    """A pod outside of every tenant that answers whoever may ask."""
    servers = inside.serve(visit, inside.outsider(target), probing.server("proof-neighbour", seconds=_STAY,
                                                                           queued=False))  # fmt: skip
    return Place(said=f"a pod in {inside.UNFENCED}", host=servers[0].address, port=probing.PORT)


def tried(visit: Visit, who: Surroundings, name: str, places: Sequence[Place]) -> Word:
    """What one pod reaches of some places, in all rounds."""
    plan = {"targets": [one.target() for one in places], "seconds": ANSWER_SECONDS, "rounds": ROUNDS}
    queued = who.namespace != inside.UNFENCED
    (word,) = inside.ask(visit, who, Probe(name=name, script="probe_reach.py", plan=plan, seconds=60, queued=queued))
    return word


def reached(word: Word, place: Place) -> bool:
    """Whether it was reached once the network had settled."""
    return any(one["open"] for one in word.said[place.id][-SETTLED:])


def said(word: Word, place: Place) -> str:
    """What came of it last."""
    return str(word.said[place.id][-1]["said"])


def dns(target: Target, visit: Visit) -> Probes:
    """From every node names of services mean what the API server says, and names that nobody has mean nothing."""
    probes, here, spots = Probes(), home(target), inside.nodes(target, visit)
    names = tuple(one.name for one in spots)
    group = probing.server(_NAMES, seconds=_STAY, nodes=names)
    servers = inside.serve(visit, here, group)
    one = visit.submit(here.namespace, probing.service(group))
    visit.submit(here.namespace, probing.service(group, headless=True, name=f"{_NAMES}-each"))
    api = visit.api.get("/api/v1/namespaces/default/services/kubernetes").expect("read the API server's Service")
    end = f"{here.namespace}.svc.cluster.local"
    known = {
        _NAMES: addresses(one),
        f"{_NAMES}.{end}": addresses(one),
        f"{_NAMES}-each.{end}": [server.address for server in servers],
        "kubernetes.default.svc": addresses(api),
    }
    unknown: dict[str, list[str]] = {"proof-nobody": [], f"proof-nobody.{end}": []}
    plan = {
        "names": [{"name": name, "addresses": found} for name, found in {**known, **unknown}.items()],
        "lookups": LOOKUPS, "rate": LOOKUPS_A_SECOND, "limit": LOOKUP_SECONDS, "patience": PATIENCE,
    }  # fmt: skip
    seconds = PATIENCE + (len(known) + len(unknown)) * LOOKUPS / LOOKUPS_A_SECOND + 60
    asked = Probe(name="proof-lookups", script="probe_dns.py", plan=plan, seconds=seconds, nodes=names,
                  amounts=probing.MEASURING, burst=probing.BURST)  # fmt: skip
    words = inside.ask(visit, here, asked)
    for word in words:
        _kept_up(word)
    _meaning(probes, words, list(known), Kind.POSITIVE, "names of services mean their addresses, the headless one all")
    _meaning(probes, words, list(unknown), Kind.NEGATIVE, "a name that nobody has is said not to exist")
    _soon(probes, words)
    return probes


def addresses(service: Json) -> list[str]:
    """Where a Service is reached."""
    spec = service["spec"]
    return list(spec.get("clusterIPs") or [spec["clusterIP"]])


def _kept_up(word: Word) -> None:
    """NotMeasurableError where the prober itself was late: what it measured is its own."""
    late = percentile(word.said["late"], 0.99)
    if late > MOST_LATE_SECONDS or word.said["throttled"]:
        held = f"{late * 1e3:.1f} ms late at p99, held back {word.said['throttled']} times by its CPU limit"
        raise NotMeasurableError(f"the prober on {word.node} could not keep its own pace: {held}")


def percentile(counts: Json, quantile: float) -> float:
    """Seconds that this share of the durations of a histogram does not exceed, by the upper ends of its buckets."""
    buckets = sorted((int(end), count) for end, count in counts["buckets"].items())
    total, seen = sum(count for _, count in buckets), 0
    for end, count in buckets:
        seen += count
        if seen >= quantile * total:
            return min(end / 1e6, float(counts["greatest"]))
    return 0.0


def _meaning(probes: Probes, words: Sequence[Word], names: Sequence[str], kind: Kind, said: str) -> None:
    wrong = [
        f"{word.node}: {name} {told['right']} of {told['asked']} times right, otherwise {'; '.join(told['wrong'])}"
        for word in words
        for name in names
        if (told := word.said["names"][name])["right"] != told["asked"]
    ]
    saw = "; ".join(wrong) or f"{len(names)} names, {LOOKUPS} times from each of {len(words)} nodes"
    record = probes.positive if kind is Kind.POSITIVE else probes.negative
    record(f"{said}, from every node", held=not wrong, saw=saw)


def _soon(probes: Probes, words: Sequence[Word]) -> None:
    """Each node for itself: one slow resolver must not hide behind the others."""
    for word in words:
        every: list[Json] = list(word.said["names"].values())
        n, over = sum(one["asked"] for one in every), sum(one["over"] for one in every)
        slowest = max(percentile(one["times"], LOOKUP_QUANTILE) for one in every)
        verdict = stats.percentile_verdict(n, over, quantile=LOOKUP_QUANTILE)
        most = stats.most_over(n, quantile=LOOKUP_QUANTILE)
        probes.measured(
            f"{LOOKUP_QUANTILE:.0%} of the lookups from {word.node} take {LOOKUP_SECONDS * 1e3:g} ms at most",
            Measurement(
                metric=f"p{LOOKUP_QUANTILE * 100:g} of the slowest name", value=slowest * 1e3, unit="ms", n=n,
                method=f"{over:,} lookups over the limit, where a binomial bound allows {most:,}",
                limit=LOOKUP_SECONDS * 1e3, better=Better.LOWER,
            ),
            held=verdict is stats.Verdict.PASS,
        )  # fmt: skip

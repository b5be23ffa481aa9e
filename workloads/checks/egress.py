"""What leaves a tenant: its object storage is reached, and nothing else outside of it.

That something is refused counts only where a pod that nobody fences is seen to reach it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from workloads.backends.cluster import inside
from workloads.backends.cluster.inside import Node, Word
from workloads.checks.inside import ANSWER_SECONDS, ROUNDS, SETTLED, Place, addresses, neighbour, reached, said, tried
from workloads.checks.jobs import home
from workloads.checks.network import METADATA_ADDRESSES
from workloads.checks.stores import REPOSITORIES, repository
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs.probing import Probe
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import NotMeasurableError, Probes, SkippedError

Json = dict[str, Any]

KUBELET, API_SERVER, WEB = 10250, 443, 80
INTERNET = {"1.1.1.1": 443, "8.8.8.8": 443}  # public resolvers: there and open everywhere on earth


def egress(target: Target, visit: Visit) -> Probes:
    """A tenant's pods reach the object store that they are told to use, and nothing else outside of the tenant."""
    probes, here, spots = Probes(), home(target), inside.nodes(target, visit)
    store = artifact_store(visit, here)
    if store is None:
        raise SkippedError(f"nothing in {here.namespace} says where its object storage is (ConfigMap {REPOSITORIES})")
    policies = visit.api.items(f"/apis/networking.k8s.io/v1/namespaces/{here.namespace}/networkpolicies")
    every = _places(target, visit, spots)
    places = [one for one in every if not opened(policies, one.host, one.port)]
    names = tuple(one.name for one in spots)
    targets = [{**store, "id": "store"}, *(one.target() for one in places)]
    plan = {"targets": targets, "seconds": ANSWER_SECONDS, "rounds": ROUNDS}
    words = inside.ask(visit, here, Probe(name="proof-egress", script="probe_reach.py", plan=plan, seconds=90,
                                          nodes=names))  # fmt: skip
    control = tried(visit, inside.outsider(target), "proof-control", places)
    _stored(probes, words, store)
    for place in places:
        _refused(probes, words, control, place)
    seen = [one for one in places if reached(control, one)]
    if not seen:
        raise NotMeasurableError(f"a pod in {inside.UNFENCED}, which nobody fences, reaches nothing either")
    declared = [one.said for one in every if one not in places]
    if declared:
        probes.note(f"opened by a policy of the tenant, so not tried: {', '.join(declared)}")
    absent = [one.said for one in places if one not in seen]
    if absent:
        probes.note(f"not reached by a pod that nobody fences either, so little is proven: {', '.join(absent)}")
    if late := _leaks(words, places):
        probes.note(f"before the network had settled, new pods reached {', '.join(late)}")
    return probes


def _places(target: Target, visit: Visit, spots: Sequence[Node]) -> list[Place]:
    """What is certainly there, outside of a tenant: a pod, the cluster's own servers, the internet."""
    api = visit.api.get("/api/v1/namespaces/default/services/kubernetes").expect("read the API server's Service")
    kubelets = [one for one in spots if one.address][:2] if len(spots) > 1 else []
    return [
        neighbour(target, visit),
        Place(said="the API server", host=addresses(api)[0], port=API_SERVER),
        *(Place(said=f"the kubelet of {one.name}", host=one.address, port=KUBELET, node=one.name) for one in kubelets),
        *(Place(said=f"instance metadata at {host}", host=host, port=WEB) for host in METADATA_ADDRESSES),
        *(Place(said=f"the internet at {host}", host=host, port=port) for host, port in INTERNET.items()),
    ]


def _stored(probes: Probes, words: Sequence[Word], store: Json) -> None:
    where = f"{store['how']}://{store['host']}:{store['port']}"
    dumb = [f"{word.node}: {word.said['store'][-1]['said']}" for word in words if not _answers(word.said["store"])]
    claim = f"the object store of the tenant answers from every node ({where})"
    probes.positive(claim, held=not dumb, saw="; ".join(dumb) or str(words[0].said["store"][-1]["said"]))


def _answers(rounds: Sequence[Json]) -> bool:
    return all(one.get("status") is not None for one in rounds[-SETTLED:])


def _refused(probes: Probes, words: Sequence[Word], control: Word, place: Place) -> None:
    through = [word.node for word in words if word.node != place.node and reached(word, place)]
    known = (
        "reached from outside of tenants" if reached(control, place) else "not reached from outside of tenants either"
    )
    last = next((said(word, place) for word in words if word.node != place.node), "not tried")
    saw = f"reached from {', '.join(through)}" if through else f"{last}; {known}"
    probes.negative(f"{place.said} is not reached", held=not through, saw=saw)


def _leaks(words: Sequence[Word], places: Sequence[Place]) -> list[str]:
    return [
        f"{place.said} (on {word.node})"
        for place in places
        for word in words
        if word.node != place.node and not reached(word, place) and any(one["open"] for one in word.said[place.id])
    ]


def artifact_store(visit: Visit, here: Surroundings) -> Json | None:
    """The server of the tenant's object storage; None where nobody tells its workflows of one."""
    told = repository(visit, here.namespace) or {}
    if "gcs" in told:  # which has one endpoint for everybody
        return {"host": "storage.googleapis.com", "port": API_SERVER, "how": "https"}
    given: Json = told.get("s3") or {}
    if not given.get("endpoint"):
        return None
    plain = bool(given.get("insecure"))
    host, _, port = str(given["endpoint"]).partition(":")
    return {"host": host, "port": int(port or (WEB if plain else API_SERVER)), "how": "http" if plain else "https"}


def opened(policies: Sequence[Json], host: str, port: int) -> bool:
    """Whether a policy of the namespace lets every pod reach an address by its number."""
    address = ipaddress.ip_address(host)
    for policy in policies:
        spec = policy["spec"]
        if spec.get("podSelector"):
            continue
        for rule in spec.get("egress", []):
            blocks = [peer["ipBlock"] for peer in rule.get("to", []) if "ipBlock" in peer]
            if _on_port(rule, port) and any(_holds(block, address) for block in blocks):
                return True
    return False


def _on_port(rule: Json, port: int) -> bool:
    every: list[Json] = rule.get("ports") or [{}]
    ports = [one for one in every if one.get("protocol", "TCP") == "TCP"]
    return any(one.get("port", port) <= port <= one.get("endPort", one.get("port", port)) for one in ports)


def _holds(block: Json, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in (block["cidr"], *block.get("except", []))]
    return address in networks[0] and not any(address in one for one in networks[1:])

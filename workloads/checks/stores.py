"""The object store that a tenant's workflows are told to use, asked from a pod of the tenant as that tenant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from workloads.backends.cluster import inside
from workloads.checks.jobs import home
from workloads.cluster import Visit
from workloads.contract import Target
from workloads.jobs.probing import Probe
from workloads.jobs.surroundings import Surroundings
from workloads.outcome import Probes, SkippedError

Json = dict[str, Any]

REPOSITORIES, REPOSITORY = "artifact-repositories", "default-namespaced"  # where Argo Workflows looks
_LAUNCHER = "kfp-launcher"
_SECONDS = 300.0
_REFUSED = {HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED}
_DEFAULT_REGION = "us-east-1"


def repository(visit: Visit, namespace: str) -> Json | None:
    """Where the tenant's workflows are told to keep what they make; None where nobody tells them."""
    answer = visit.api.get(f"/api/v1/namespaces/{namespace}/configmaps/{REPOSITORIES}")
    try:
        told: object = json.loads(answer.body["data"][REPOSITORY])
    except (ValueError, KeyError, TypeError):
        return None
    return cast("Json", told) if isinstance(told, dict) else None


def artifacts(target: Target, visit: Visit) -> Probes:
    """What a tenant stores comes back as it was, in every version; nobody else gets it, and it gets nobody else's."""
    probes, here = Probes(), home(target)
    told = repository(visit, here.namespace)
    if told is None:
        raise SkippedError(f"nothing in {here.namespace} says where its object storage is (ConfigMap {REPOSITORIES})")
    store: Json = told.get("s3") or {}
    if not store.get("endpoint"):
        kinds = ", ".join(key for key in told if key != "archiveLogs")
        raise SkippedError(f"{here.namespace} keeps artifacts in a store of another kind ({kinds}); S3's API is spoken")
    said = _asked(target, visit, here, store)
    claim = "a pod of the tenant has an identity in the object store"
    probes.positive(claim, held=not said["identity"], saw=said["identity"] or f"bucket {store['bucket']}")
    if said["identity"]:
        probes.negative("without one nothing is stored", held=True, saw="nothing was tried")
        return probes
    _kept(probes, said)
    _closed(probes, said)
    return probes


def _asked(target: Target, visit: Visit, here: Surroundings, store: Json) -> Json:
    keys = {"ACCESS_KEY": store.get("accessKeySecret"), "SECRET_KEY": store.get("secretKeySecret")}
    secrets = {name: (one["name"], one["key"]) for name, one in keys.items() if one}
    prefix = str(store.get("keyFormat", "")).partition("{{")[0]
    own, others = f"{here.namespace}/", [one.namespace for one in target.tenants.values() if one != here.tenant]
    plan = {
        "endpoint": store["endpoint"], "plain": bool(store.get("insecure")), "bucket": store["bucket"],
        "region": store.get("region", _DEFAULT_REGION), "byPath": by_path(visit, here), "keyed": bool(secrets),
        "prefix": prefix, "others": [prefix.replace(own, f"{one}/") for one in others if own in prefix][:1],
    }  # fmt: skip
    probe = Probe(name="proof-store", script="probe_store.py", plan=plan, seconds=_SECONDS, secrets=secrets,
                  account=here.tenant.contributor)  # fmt: skip
    return inside.ask(visit, here, probe)[0].said


def by_path(visit: Visit, here: Surroundings) -> bool:
    """Whether the bucket's name is part of the path: the launcher of Pipelines is told where it must not be."""
    answer = visit.api.get(f"/api/v1/namespaces/{here.namespace}/configmaps/{_LAUNCHER}")
    try:
        told: Json = json.loads(answer.body["data"]["providers"])
        return bool(told["s3"]["default"]["forcePathStyle"])
    except (ValueError, KeyError, TypeError):
        return True


def _kept(probes: Probes, said: Mapping[str, Json]) -> None:
    put, got, old = said["put"], said["get"], said["old"]
    saw = f"stored: {put['said']}; read: {got['said']}"
    probes.positive("what is stored comes back byte for byte", held=got["same"], saw=saw)
    held = old["same"] and old["newer"]
    probes.positive("a version outlives its successor", held=held, saw=f"{old['said']}, then {said['later']['said']}")
    gone = said["gone"]["status"] == HTTPStatus.NOT_FOUND
    probes.positive("what is deleted is gone", held=gone, saw=f"{said['delete']['said']}; {said['gone']['said']}")


def _closed(probes: Probes, said: Mapping[str, Json]) -> None:
    nobody = said["nobody"]
    for claim, answer in (
        ("who shows no identity reads nothing", nobody["GET"]),
        ("who shows no identity writes nothing", nobody["PUT"]),
        ("who signs with a wrong key reads nothing", said["forged"]),
        *((f"the tenant writes nothing below {prefix}", answer) for prefix, answer in said["others"].items()),
    ):
        probes.negative(claim, held=answer["status"] in _REFUSED, saw=answer["said"])
    if not said["others"]:
        probes.note("no other tenant whose part of the store could be tried")

"""Components that somebody else has installed already: found, refused or reused. Reads the cluster, changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from kubeflow.distribution import Distribution
from kubeflow.distribution.cache import Rendered
from kubeflow.distribution.documents import Body
from kubeflow.spec.components import Existing, ExistingSpec

from .apiserver import Json, Reader
from .definitions import MANAGER
from .kinds import WEBHOOKS, part, parts
from .planned import address
from .products import HOOKS, PRODUCTS, Product, available

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_DEPLOYMENTS = "/apis/apps/v1/deployments"
_OURS = "pulumi-kubernetes"  # how field managers of the Kubernetes provider begin
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a cluster has of a product, less what this platform installed."""

    controllers: tuple[Json, ...] = ()
    webhooks: tuple[str, ...] = ()  # names of configurations
    definitions: Mapping[str, str] = field(default_factory=dict[str, str])  # name -> field managers
    own: bool = False  # the platform's own controller is there


@dataclass(frozen=True, kw_only=True, slots=True)
class Reduced:
    """A distribution without what is reused."""

    distribution: Distribution
    left_out: tuple[str, ...]  # as component/kind/namespace/name
    namespaces: frozenset[str]  # that exist already, and that nobody makes


def choices(components: Mapping[str, object], existing: ExistingSpec) -> dict[str, str]:
    """What is to be judged before these components are installed: product -> manage or reuse."""
    decided = {name: getattr(existing, name, Existing.MANAGE) for name in PRODUCTS}
    return {
        name: choice.value
        for name, choice in decided.items()
        if choice is Existing.REUSE or PRODUCTS[name].components & components.keys()
    }


def without_reused(distribution: Distribution, existing: ExistingSpec) -> Reduced:
    """Leave out the components that are reused. What uses them stays: their late objects in other namespaces."""
    kept: dict[str, Rendered] = {}
    left_out: list[str] = []
    reused = [product for name, product in PRODUCTS.items() if getattr(existing, name, None) is Existing.REUSE]
    for name, rendered in distribution.components.items():
        product = next((product for product in reused if name in product.components), None)
        if product is None:
            kept[name] = rendered
            continue
        late = tuple(body for body in rendered.late if body["metadata"].get("namespace") not in product.namespaces)
        gone: list[Body] = [*rendered.crds, *rendered.core, *(body for body in rendered.late if body not in late)]
        left_out += [address(name, body) for body in gone]
        if late:
            kept[name] = replace(rendered, crds=(), core=(), late=late)
    homes = frozenset(product.home for product in reused if product.home)
    return Reduced(
        distribution=replace(distribution, components=MappingProxyType(kept)),
        left_out=tuple(left_out),
        namespaces=homes,
    )


def problems(reader: Reader, chosen: Mapping[str, str]) -> list[str]:
    """Why the chosen products cannot be installed or reused on this cluster; one text for each."""
    judged = {name: look(reader, PRODUCTS[name]) for name in chosen}
    found = [
        _unfit(reader, PRODUCTS[name], judged[name])
        if choice == Existing.REUSE.value
        else _refused(PRODUCTS[name], judged[name])
        for name, choice in chosen.items()
    ]
    return [text for text in found if text]


def look(reader: Reader, product: Product) -> Found:
    """What the cluster has of a product."""
    controllers = reader.items(_DEPLOYMENTS, labels=product.controller)
    hooks = [item for kind in sorted(WEBHOOKS) for item in reader.items(f"{HOOKS}/{kind.lower()}s")]
    crds = {name: live for name in product.definitions if (live := reader.get(f"{_CRDS}/{name}")) is not None}
    return Found(
        controllers=tuple(item for item in controllers if not _ours(item)),
        webhooks=tuple(
            dict.fromkeys(
                hook["metadata"]["name"]
                for hook in hooks
                if not _ours(hook) and any(one["name"].endswith(product.webhook) for one in parts(hook, "webhooks"))
            )
        ),
        definitions={
            name: ", ".join(sorted(_managers(live))) for name, live in crds.items() if MANAGER not in _managers(live)
        },
        own=any(_ours(item) for item in controllers),
    )


def _refused(product: Product, found: Found) -> str:
    """Why the platform cannot bring a product itself, and the ways out; empty if it can."""
    seen = [f"Deployment {_place(item)}" + (f" {_shown(item)}" if _shown(item) else "") for item in found.controllers]
    seen += [f"webhook configuration {name}" for name in found.webhooks]
    running = bool(seen)
    seen += [f"definition {name} (owner: {managers})" for name, managers in found.definitions.items()]
    if not seen:
        return ""
    key = f"platform.existing.{product.key}"
    ways = ["uninstall it, with its definitions"]
    if product.key and running:
        ways.insert(0, f"set {key} to reuse: the platform then leaves its own out")
    elif not running:
        ways = ["delete what an uninstalled one left", "let its installer give them up"]
    elif not product.key:
        ways.append(f"leave {', '.join(sorted(product.components))} out of platform.components")
    return (
        f"{product.title}: somebody else's is there, and two would fight over the same objects: {'; '.join(seen)}. "
        f"Either {', or '.join(ways)}"
    )


def _unfit(reader: Reader, product: Product, found: Found) -> str:
    """Why a product that is there cannot be used; empty if it can."""
    missing: list[str] = []
    if found.own:
        missing.append("the one that is there was installed by this platform: leaving it out would delete it")
    elif not found.controllers:
        missing.append(f"no Deployment with the labels {product.controller} is there")
    for item in found.controllers:
        if product.home and item["metadata"]["namespace"] != product.home:
            missing.append(f"{_place(item)} is not in namespace {product.home}, where the platform looks for it")
        if not available(item):
            missing.append(f"{_place(item)} is not available")
        missing += _outdated(product, item)
    for api, kinds in product.kinds.items():
        served = {resource["kind"] for resource in parts(reader.get(f"/apis/{api}") or {}, "resources")}
        missing += [f"{api} {kind} is not served" for kind in kinds if kind not in served]
    missing += [text for check in product.checks for text in check(reader)]
    key = f"platform.existing.{product.key}"
    way = f"uninstall it and set {key} to manage" if found.controllers else f"set {key} to manage"
    return f"{product.title}: {key} is reuse, but {'; '.join(missing)}. Repair that, or {way}" if missing else ""


def _outdated(product: Product, item: Json) -> Iterator[str]:
    if product.least is not None:
        version = _VERSION.fullmatch(_shown(item))
        least = ".".join(map(str, product.least))
        if version is None:
            yield f"{_place(item)} does not tell its version; {least} or newer is needed"
        elif (int(version[1]), int(version[2])) < product.least:
            yield f"{_place(item)} is version {version[0]}; {least} or newer is needed"


def _shown(item: Json) -> str:
    """The version that a Deployment tells by label, or by the tag of its image."""
    told: str = part(item["metadata"], "labels").get("app.kubernetes.io/version", "")
    image: str = item["spec"]["template"]["spec"]["containers"][0]["image"]
    return told or image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def _place(item: Json) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _managers(live: Json) -> set[str]:
    return {entry["manager"] for entry in parts(live["metadata"], "managedFields")}


def _ours(live: Json) -> bool:
    return any(manager.startswith(_OURS) for manager in _managers(live))

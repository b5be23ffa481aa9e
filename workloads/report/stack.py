"""A stack as reports and the portal tell of it, from its outputs. Secrets among them are dropped at the door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from workloads.topology import Layer, layers

from .model import ReportError
from .results import digest

SECRET = ("kubeconfig", "logins")
Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """The outputs of one stack without their secrets. A part that the stack does not have is empty."""

    name: str
    environment: str
    standins: tuple[str, ...]
    cluster: Json
    tenants: Json
    components: tuple[str, ...]
    left_out: tuple[str, ...]
    priorities: Json
    gateway: Json
    endpoints: tuple[Json, ...]
    mesh: Json
    versions: Json
    policies: Json
    layers: tuple[Layer, ...]
    validation: Json
    digest: str
    outputs: Json  # all of them but the secrets

    @property
    def domain(self) -> str:
        """The platform's name; empty where nothing answers to one."""
        return str(self.gateway.get("domain", ""))

    @property
    def images(self) -> tuple[str, ...]:
        """Every image that the platform's own workloads name."""
        return tuple(self.versions.get("images", ()))

    def has(self, component: str) -> bool:
        """Whether a component is installed, whatever its variant."""
        return any(name == component or name.startswith(f"{component}-") for name in self.components)


def of(outputs: object, *, name: str) -> Stack:
    """Read the outputs; raises ReportError where they are not a stack's."""
    if not isinstance(outputs, dict):
        raise ReportError(f"stack {name}: the outputs are not a mapping")
    body = cast("dict[str, Any]", outputs)
    plain = {key: value for key, value in body.items() if key not in SECRET}
    try:
        platform: Json = plain["platform"]
        return Stack(
            name=name,
            environment=plain["environment"],
            standins=tuple(plain["standins"]),
            cluster=plain["cluster"],
            tenants=platform["tenants"],
            components=tuple(platform["components"]),
            left_out=tuple(platform["leftOut"]),
            priorities=platform["priorityClasses"],
            gateway=platform.get("gateway") or {},
            endpoints=tuple(platform.get("endpoints") or ()),
            mesh=platform.get("mesh") or {},
            versions=platform.get("versions") or {},
            policies=platform.get("policies") or {},
            layers=layers(platform["topology"]) if platform.get("topology") else (),
            validation=plain["validation"],
            digest=digest(plain),
            outputs=plain,
        )
    except (KeyError, TypeError) as error:
        raise ReportError(f"stack {name}: its outputs lack {error}") from error

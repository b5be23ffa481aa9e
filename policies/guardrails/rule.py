"""What a rule is, what it looks at, and what it may answer. Knows neither the engine nor any rule."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, cast

from .cel import Ask
from .pods import Pod, pods_of
from .values import Node

KUBERNETES = "kubernetes:"
PODS = "pods:"  # in place of a type: whatever leads to pods


class Severity(StrEnum):
    """How bad it is; becomes the severity of the engine's and of SARIF's results."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Level(StrEnum):
    """Whether a finding stops the change."""

    ADVISORY = "advisory"
    MANDATORY = "mandatory"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One registered resource: its inputs, plain, with unknown values as such."""

    type: str
    name: str
    urn: str
    inputs: Mapping[str, Any] = field(repr=False)  # may hold secrets in clear
    protect: bool = False
    parent: str = ""
    provider: str = ""  # URN; "" if it was not said
    dependencies: tuple[str, ...] = ()  # URNs; known when everything was registered

    @cached_property
    def kind(self) -> str:
        """Kind of a Kubernetes object, patches like the kind that they patch; empty for others."""
        if not self.type.startswith(KUBERNETES):
            return ""
        return self.type.rpartition(":")[2].removesuffix("Patch")

    @cached_property
    def group(self) -> str:
        """API group of a Kubernetes object; `core` for the first one."""
        return self.type.removeprefix(KUBERNETES).partition("/")[0] if self.kind else ""

    def _metadata(self, key: str) -> str:
        metadata: Any = self.inputs.get("metadata")
        found = cast("dict[str, Any]", metadata).get(key) if isinstance(metadata, dict) else None
        return found if isinstance(found, str) else ""

    @cached_property
    def namespace(self) -> str:
        """Namespace of a Kubernetes object."""
        return self._metadata("namespace")

    @cached_property
    def object_name(self) -> str:
        """Name of a Kubernetes object as far as it is known."""
        return self._metadata("name") or self.name

    @cached_property
    def address(self) -> str:
        """How people and exemptions call it: Kind/namespace/name, or type::name."""
        if not self.kind:
            return f"{self.type}::{self.name}"
        return "/".join(part for part in (self.kind, self.namespace, self.object_name) if part)


class Subject:
    """A resource with its places noted as a rule asks for them."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.doubts: dict[str, None] = {}  # paths of unknown values, in the order in which they were met
        self.root = Node(dict(resource.inputs), "", self.doubts)
        self._pods: tuple[tuple[Pod, ...], tuple[str, ...]] | None = None

    def at(self, *keys: str) -> Node:
        """A place in the inputs."""
        return self.root.at(*keys)

    @property
    def pods(self) -> tuple[Pod, ...]:
        """Every pod that the object leads to, whatever its kind."""
        if self._pods is None:
            before = dict(self.doubts)
            self.doubts.clear()
            found = tuple(pods_of(self.resource.kind, self.root))
            self._pods = found, tuple(self.doubts)
            self.doubts.clear()
            self.doubts.update(before)
        found, doubts = self._pods
        self.doubts.update(dict.fromkeys(doubts))
        return found

    @property
    def leads_to_pods(self) -> bool:
        """Whether there are pods, or an unknown place where some may be."""
        before = dict(self.doubts)
        self.doubts.clear()
        found = bool(self.pods) or bool(self.doubts)
        self.doubts.clear()
        self.doubts.update(before)
        return found

    def fits(self, name: str) -> bool:
        """Whether the resource is of a type: a prefix of it, a kind of Kubernetes, or whatever leads to pods."""
        if name == PODS:
            return self.leads_to_pods
        resource = self.resource
        return resource.type.startswith(name) if ":" in name else resource.kind == name


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What is wrong and where; `text` never holds a value of the resource that could be secret."""

    text: str
    path: str = ""
    subject: Subject | None = field(default=None, repr=False)  # rules about the stack say whom they mean


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One thing that the configuration of a rule may say, as JSON Schema has it."""

    type: str
    default: Any
    about: str


Config = Mapping[str, Any]
Check = Callable[[Subject, Config], Iterator[Finding]]
StackCheck = Callable[[Sequence[Subject], Config], Iterator[Finding]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One thing that is refused. `check` sees one resource, `relation` all of them."""

    name: str
    refuses: str
    why: str
    fix: str
    severity: Severity
    level: Level
    source: str
    types: tuple[str, ...] = ()  # of resources; a prefix of the type, or a kind of Kubernetes; empty: all
    settings: Mapping[str, Setting] = field(default_factory=dict[str, Setting])
    check: Check | None = None
    relation: StackCheck | None = None
    cluster: tuple[Ask, ...] = ()  # what the API server asks of tenants' objects by itself

    def applies(self, subject: Subject) -> bool:
        """Whether the rule looks at such a resource at all."""
        return not self.types or any(subject.fits(name) for name in self.types)

    @property
    def defaults(self) -> dict[str, Any]:
        """The configuration where none is given."""
        return {name: setting.default for name, setting in self.settings.items()}

    def configured(self, given: Config) -> Config:
        """The configuration as a whole."""
        return {**self.defaults, **{name: value for name, value in given.items() if name in self.settings}}


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What a rule says of itself, for the decorators below."""

    refuses: str
    why: str
    fix: str
    severity: Severity
    source: str
    types: tuple[str, ...] = ()
    advisory: bool = False
    settings: Mapping[str, Setting] = field(default_factory=dict[str, Setting])
    cluster: tuple[Ask, ...] = ()

    def named(self, name: str, **check: Any) -> Rule:  # noqa: ANN401 - check or relation
        """The rule."""
        return Rule(
            name=name.replace("_", "-"),
            refuses=self.refuses,
            why=self.why,
            fix=self.fix,
            severity=self.severity,
            level=Level.ADVISORY if self.advisory else Level.MANDATORY,
            source=self.source,
            types=self.types,
            settings=self.settings,
            cluster=self.cluster,
            **check,
        )


def rule(**about: Any) -> Callable[[Check], Rule]:  # noqa: ANN401 - fields of About
    """Make a function about one resource a rule of the function's name."""

    def made(check: Check) -> Rule:
        return About(**about).named(getattr(check, "__name__", ""), check=check)

    return made


def relation(**about: Any) -> Callable[[StackCheck], Rule]:  # noqa: ANN401 - fields of About
    """Make a function about all resources a rule of the function's name."""

    def made(check: StackCheck) -> Rule:
        return About(**about).named(getattr(check, "__name__", ""), relation=check)

    return made


def of_kind(subjects: Sequence[Subject], *kinds: str) -> list[Subject]:
    """The Kubernetes objects of these kinds."""
    return [subject for subject in subjects if subject.resource.kind in kinds]


def in_list(text: str, allowed: Collection[str]) -> bool:
    """Whether a text is listed; an entry that ends with an asterisk stands for all that begin so."""
    return any(text.startswith(item[:-1]) if item.endswith("*") else text == item for item in allowed)

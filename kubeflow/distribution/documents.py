"""YAML in, canonical objects out: identity, one line of sorted JSON, install phase. Lossless, transforms nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, cast

import yaml

Body: TypeAlias = dict[str, Any]
_NAMESPACE = "metadata.namespace"


class DocumentError(Exception):
    """YAML that is no list of Kubernetes objects; the message names the file and the document, one problem a line."""


class Identity(NamedTuple):
    """What makes an object this object. `namespace` is empty where the document names none."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As `apps/v1 Deployment kubeflow/ml-pipeline`."""
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.api_version} {self.kind} {place}"

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One object in canonical form."""

    identity: Identity
    text: str = field(repr=False)
    body: Body = field(repr=False, compare=False)

    @property
    def digest(self) -> str:
        """Short fingerprint: enough to tell which object changed, never to prove that none did."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class LateKind:
    """Custom resources that are refused, or do nothing, before the controller of their component answers."""

    group: str
    kind: str
    why: str
    within: str = ""  # only late in this component: elsewhere its controller has long been up


LATE = (
    LateKind(group="cert-manager.io", kind="ClusterIssuer", within="cert-manager", why="its own webhook validates it"),
    LateKind(group="networking.istio.io", kind="Gateway", within="istio", why="istiod validates it"),
    LateKind(group="networking.istio.io", kind="Sidecar", within="istio", why="istiod validates it"),
    LateKind(group="security.istio.io", kind="AuthorizationPolicy", within="istio", why="istiod validates it"),
    LateKind(
        group="networking.internal.knative.dev", kind="Certificate", why="Knative's webhook validates and defaults it"
    ),
    LateKind(group="serving.kserve.io", kind="ClusterServingRuntime", why="KServe's webhook validates it"),
    LateKind(group="serving.kserve.io", kind="ClusterStorageContainer", why="installed with the serving runtimes"),
    LateKind(group="trainer.kubeflow.org", kind="ClusterTrainingRuntime", why="the trainer's webhook validates it"),
    LateKind(group="metacontroller.k8s.io", kind="DecoratorController", why="metacontroller acts on it once it runs"),
    LateKind(
        group="monitoring.coreos.com", kind="PrometheusRule", why="the Prometheus operator's webhook validates it"
    ),
    LateKind(group="kubeflow.org", kind="Profile", why="the profile controller makes its namespace"),
)
_LATE: Mapping[tuple[str, str], LateKind] = {(row.group, row.kind): row for row in LATE}


class Phases(NamedTuple):
    """The objects of a component by install phase, each in order of identity."""

    crds: tuple[Document, ...]
    core: tuple[Document, ...]
    late: tuple[Document, ...]


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes tools read it: no dates, no base-60 numbers, and a key that occurs twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """As PyYAML does, which would keep the last of two equal keys in silence."""
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) != len(keys):
            twice = next(value for position, (tag, value) in enumerate(keys) if (tag, value) in keys[:position])
            raise yaml.constructor.ConstructorError(None, None, f"key '{twice}' occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """PyYAML's implicit types less dates, `=` and base 60, plus floats such as 1e3."""
    kept = {
        "tag:yaml.org,2002:bool": (
            r"true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF",
            "tTfFyYnNoO",
        ),
        "tag:yaml.org,2002:int": (r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)", "-+0123456789"),
        "tag:yaml.org,2002:float": (
            r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
            "-+0123456789.",
        ),
        "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", "~nN"),
        "tag:yaml.org,2002:merge": (r"<<", "<"),
    }
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for tag, (form, starts) in kept.items():
        pattern = re.compile(rf"(?:{form})\Z")
        for start in [*starts, *([""] if tag.endswith("null") else [])]:
            table.setdefault(start, []).append((tag, pattern))
    return table


_Loader.yaml_implicit_resolvers = _resolvers()


def parse(text: str, *, origin: str) -> tuple[Document, ...]:
    """The objects of a YAML stream in order of identity, or one DocumentError with every problem."""
    documents: dict[Identity, Document] = {}
    first_seen: dict[Identity, int] = {}
    problems: list[str] = []
    loader: Any = _Loader(text)  # PyYAML has no types
    index = 0
    try:
        while loader.check_data():
            index += 1
            raw: object = loader.get_data()
            if raw is None:
                continue
            try:
                document = canonical(raw)
            except (TypeError, ValueError) as error:
                problems.append(f"{origin}: document {index}: {error}")
                continue
            if document.identity in documents:
                earlier = first_seen[document.identity]
                problems.append(f"{origin}: document {index}: {document.identity} is a duplicate of document {earlier}")
                continue
            documents[document.identity], first_seen[document.identity] = document, index
    except yaml.YAMLError as error:
        problems.append(f"{origin}: document {max(index, 1)}: not YAML: {' '.join(str(error).split())}")
    finally:
        loader.dispose()
    if not documents and not problems:
        problems.append(f"{origin}: no objects found")
    if problems:
        raise DocumentError("\n".join(problems))
    return ordered(documents.values())


def canonical(raw: object) -> Document:
    """The canonical form of one parsed document. Raises TypeError or ValueError with what is wrong."""
    if not isinstance(raw, dict):
        raise TypeError(f"found {type(raw).__name__}, expected a Kubernetes object (a mapping)")
    try:
        text = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot be written as JSON: {error}") from error
    return from_text(text)


def from_text(text: str) -> Document:
    """The document whose canonical line this is."""
    body: Body = json.loads(text)
    found = body.get("metadata")
    metadata = cast("Body", found) if isinstance(found, dict) else {}
    parts = {
        "apiVersion": body.get("apiVersion"),
        "kind": body.get("kind"),
        _NAMESPACE: metadata.get("namespace") or "",
        "metadata.name": metadata.get("name"),
    }
    wrong = [key for key, value in parts.items() if not isinstance(value, str) or (not value and key != _NAMESPACE)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: expected non-empty text")
    identity = Identity(*cast("Iterable[str]", parts.values()))
    return Document(identity=identity, text=text, body=body)


def ordered(documents: Iterable[Document]) -> tuple[Document, ...]:
    """In order of identity, so that upstream's order of documents is no change."""
    return tuple(sorted(documents, key=lambda document: document.identity))


def digest(documents: Iterable[Document]) -> str:
    """SHA-256 of the canonical form: the lines of all objects in order of identity."""
    whole = hashlib.sha256()
    for document in ordered(documents):
        whole.update(document.text.encode())
        whole.update(b"\n")
    return whole.hexdigest()


def is_crd(identity: Identity) -> bool:
    """Whether the object defines a kind."""
    return identity.kind == "CustomResourceDefinition" and identity.group == "apiextensions.k8s.io"


def split(documents: Iterable[Document], *, component: str) -> Phases:
    """CustomResourceDefinitions, ordinary objects, and those that wait for the component's own controller."""
    crds: list[Document] = []
    core: list[Document] = []
    late: list[Document] = []
    for document in ordered(documents):
        row = _LATE.get((document.identity.group, document.identity.kind))
        if is_crd(document.identity):
            crds.append(document)
        elif row is not None and row.within in ("", component):
            late.append(document)
        else:
            core.append(document)
    return Phases(tuple(crds), tuple(core), tuple(late))

"""What runs: images by digest from known registries, nothing installed at start, nothing that rules cannot see."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import cel
from .pod_security import each
from .pods import Container
from .rule import PODS, Config, Finding, Setting, Severity, Subject, in_list, rule
from .values import Node, walk

_PODS = (PODS,)
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}")
# Names under which something newer appears every day.
_FLOATING = frozenset({"latest", "main", "master", "edge", "nightly", "dev", "develop", "head", "stable", "snapshot",
                       "canary", "current", "release"})  # fmt: skip
_REGISTRIES = ["docker.io/", "gcr.io/", "ghcr.io/", "quay.io/", "registry.k8s.io/", "nvcr.io/", "public.ecr.aws/",
               "mcr.microsoft.com/"]  # fmt: skip
_INJECTED = "auto"  # Istio writes its own image there
_INSTALL = re.compile(
    r"\b(pip3?|uv\s+pip|pipx|conda|mamba|npm|gem|cargo|go)\s+(\S+\s+)*?(install|add|get|i)\b"
    r"|\bpython3?\s+(-\S+\s+)*-m\s+pip\s+(\S+\s+)*?install\b"
    r"|\b(apt|apt-get|apk|yum|dnf|microdnf|zypper)\s+(\S+\s+)*?(install|add)\b"
    r"|\b(curl|wget)\b[^|;&]*\|\s*(sudo\s+)?(ba|z|da)?sh\b"
    r"|\bgit\s+clone\b"
)
# The same in CEL, which has no functions of one's own.
_TAGGED = r"@sha256:[0-9a-f]{64}|^[^@]*:[^/@]+(@.*)?$"
_MOVING = (
    rf"(?i):({'|'.join(sorted(_FLOATING))})(@|$)|:({'|'.join(sorted(_FLOATING - {'release', 'stable'}))})[-_.][^/]*$"
    r"|:[^/]*[-_.]latest(@|$)"
)
_HOST = "(i.split('/')[0].contains('.') || i.split('/')[0].contains(':') || i.startsWith('localhost/'))"
_FULL = f"(i.contains('/') ? ({_HOST} ? i : 'docker.io/' + i) : 'docker.io/library/' + i)"
_LISTED = f"variables.allowed.exists(o, {_FULL}.startsWith(o.endsWith('/') ? o : o + '/'))"
_EXECS = ("lifecycle.?postStart", "lifecycle.?preStop", "livenessProbe", "readinessProbe", "startupProbe")
_COMMANDS = [
    "c.?command.orValue([]) + c.?args.orValue([]) + [c.?source.orValue('')]",
    *(f"c.?{place}.?exec.?command.orValue([])" for place in _EXECS),
]
_LINES = f"[{', '.join(f'dyn({line})' for line in _COMMANDS)}].map(l, l.join(' ').replace('\\\\', ' '))"


def images_of(subject: Subject) -> Iterator[tuple[Node, str]]:
    """Images of containers and of what becomes one, and images in volumes; as text, with what stands beside them."""
    for _, container in each(subject):
        image = container.node.at("image")
        if image.present and not image.mapping:
            yield image, _complete(container, image)
    for pod in subject.pods:
        for volume in pod.node.at("volumes").items():
            image = volume.at("image", "reference")
            if image.present:
                yield image, image.text(_INJECTED).strip()


def _complete(container: Container, image: Node) -> str:
    """Some custom resources keep repository, image and version apart; what is empty or injected later is `auto`."""
    node = container.node
    if container.role == "part" and not node.at("enabled").flag(unknown=True, absent=True):
        return _INJECTED  # a part that the controller does not make
    text = image.text(_INJECTED).strip() or _INJECTED
    repository, version = node.at("repository").text().strip("/"), node.at("version").text()
    if text == _INJECTED or not repository:
        return text
    separator = "@" if version.startswith("sha256:") else ":"
    return f"{repository}/{text}{separator}{version}" if version else f"{repository}/{text}"


def _tag(image: str) -> str:
    """The tag; empty if there is none. A colon before a slash is a port."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def registry(image: str) -> str:
    """The whole name with its registry, as the runtime completes it."""
    name = image.partition("@")[0].strip()
    head, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    return name if "." in head or ":" in head or head == "localhost" else f"docker.io/{name}"


@rule(
    refuses="An image by a name that moves, or without any tag.",
    why="Two nodes run two programs, and no rollback brings the old one back.",
    fix="Pin the version, better the digest.",
    severity=Severity.HIGH,
    source="NSA/CISA Kubernetes Hardening Guidance; Kubernetes: Images",
    types=_PODS,
    cluster=(
        cel.image("the image has no tag", cel.matches("i", _TAGGED)),
        cel.image("the image's tag moves", f"{cel.matches('i', _DIGEST.pattern)} || !{cel.matches('i', _MOVING)}"),
    ),
)
def image_floating(subject: Subject, _config: Config) -> Iterator[Finding]:
    """`latest` in any case of letters or behind a suffix (`nightly-gpu`); a digest makes any tag harmless."""
    for image, text in images_of(subject):
        if text == _INJECTED or _DIGEST.search(text):
            continue
        tag = _tag(text).lower()
        if (
            not tag
            or tag in _FLOATING
            or re.split(r"[-_.]", tag)[0] in _FLOATING - {"release", "stable"}
            or (re.split(r"[-_.]", tag)[-1] == "latest")
        ):
            yield Finding(text="the image's tag moves" if tag else "the image has no tag", path=image.path)


@rule(
    refuses="An image without a digest.",
    why="A tag can be written again by whoever holds the registry.",
    fix="Pull by digest: name@sha256:...",
    severity=Severity.MEDIUM,
    source="NSA/CISA Kubernetes Hardening Guidance; CIS EKS 5.1",
    types=_PODS,
    advisory=True,
    cluster=(cel.image("no digest", cel.matches("i", _DIGEST.pattern + "$")),),
)
def image_without_digest(subject: Subject, _config: Config) -> Iterator[Finding]:
    """The digest must be at the end, and whole."""
    for image, text in images_of(subject):
        if text != _INJECTED and not re.search(_DIGEST.pattern + r"$", text):
            yield Finding(text="no digest", path=image.path)


@rule(
    refuses="An image from a registry that nobody agreed on.",
    why="Anybody can publish there under any name.",
    fix="Mirror the image, or add the registry to `allowed`.",
    severity=Severity.HIGH,
    source="CIS EKS 5.1.4",
    types=_PODS,
    settings={
        "allowed": Setting(type="array", default=_REGISTRIES, about="how names of images may begin, with a slash")
    },
    cluster=(cel.image("the registry is not listed", _LISTED),),
)
def image_registry(subject: Subject, config: Config) -> Iterator[Finding]:
    """An entry without a slash at its end would admit good.example.evil as well, so one is added."""
    allowed = [item if item.endswith("/") else f"{item}/" for item in config["allowed"]]
    for image, text in images_of(subject):
        if text != _INJECTED and not registry(text).startswith(tuple(allowed)):
            yield Finding(text="the registry is not listed", path=image.path)


def commands_of(subject: Subject) -> Iterator[tuple[Node, str]]:
    """What containers run, each list as one line; hooks and probes as well; scripts in ConfigMaps."""
    for _, container in each(subject):
        hooks = ("postStart", "preStop")
        places = [container.node, *(container.node.at("lifecycle", hook, "exec") for hook in hooks)]
        places += [container.node.at(probe, "exec") for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
        for place in places:
            texts = [text for key in ("command", "args") for text in place.at(key).texts()]
            if texts:
                yield place.at("command" if place.at("command").present else "args"), " ".join(texts)
        source = container.node.at("source")
        if source.text():
            yield source, source.text()


@rule(
    refuses="Software that is installed while a container starts.",
    why="It is not what was tested, it fails when the index does, and a fence of egress stops it.",
    fix="Build it into the image.",
    severity=Severity.MEDIUM,
    source="NSA/CISA Kubernetes Hardening Guidance; upstream: kubeflow/pipelines, lightweight components",
    types=(PODS, "ConfigMap"),
    cluster=(
        cel.container("installs software at start", f"!{_LINES}.exists(l, {cel.matches('l', _INSTALL.pattern)})"),
    ),
)
def installs_at_start(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Command, arguments, hooks, probes, and scripts that are kept in a ConfigMap."""
    for place, text in commands_of(subject):
        if _INSTALL.search(re.sub(r"[\s\\]+", " ", text)):
            yield Finding(text="installs software at start", path=place.path)
    if subject.resource.kind == "ConfigMap":
        for key, value in subject.at("data").entries():
            text = value.text()
            if key.endswith((".sh", ".bash", ".py")) and _INSTALL.search(re.sub(r"[\s\\]+", " ", text)):
                yield Finding(text="a script that installs software at start", path=value.path)


_SEEN_BY_NOBODY = (
    "kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v3:Chart", "kubernetes:helm.sh/v4:Chart",
    "kubernetes:kustomize", "command:", "pulumi-python:dynamic", "pulumi-nodejs:dynamic", "HelmRelease", "HelmChart",
    "Application",
)  # fmt: skip
_OWN = ["pulumi-python:dynamic/kubeflow:*"]


@rule(
    refuses="A resource that makes others which no rule sees: charts, commands, dynamic providers, GitOps.",
    why="It is the way around every rule of this pack.",
    fix="Render it into resources, or list the type in `allowed` after a review.",
    severity=Severity.HIGH,
    source="Pulumi: policies see what is registered",
    types=_SEEN_BY_NOBODY,
    settings={"allowed": Setting(type="array", default=_OWN, about="types after a review, asterisk at the end")},
)
def opaque_resource(subject: Subject, config: Config) -> Iterator[Finding]:
    """A v4 chart registers its objects, which are judged one by one; it is refused for its hooks, which are not."""
    if not in_list(subject.resource.type, config["allowed"]):
        yield Finding(text="what it makes is not judged")


@rule(
    refuses="A webhook that can stop the whole cluster.",
    why="With failurePolicy Fail and no selector, its own pods cannot be made again after they are lost.",
    fix="Add a namespaceSelector that leaves out the system's and its own namespace, or failurePolicy Ignore.",
    severity=Severity.MEDIUM,
    source="Kubernetes: Admission Webhook Good Practices",
    types=("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
)
def webhook_stops_cluster(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Only where it is asked about pods; absent failurePolicy is Fail."""
    for hook in subject.at("webhooks").items():
        if hook.unknown or hook.at("failurePolicy").text("Ignore") == "Ignore":
            continue
        about = {text for one in hook.at("rules").items() for text in one.at("resources").texts()}
        narrowed = any(
            hook.at(key).unknown or any(place.present and (place.mapping or place.items())
                                        for name, place in walk(hook.at(key))
                                        if name in {"matchLabels", "matchExpressions"} and place.value)
            for key in ("namespaceSelector", "objectSelector")
        )  # fmt: skip
        if about & {"pods", "*", "*/*", "pods/*"} and not narrowed and not hook.at("matchConditions").items():
            yield Finding(text="asked about every pod of the cluster", path=hook.path)


RULES = (
    image_floating, image_without_digest, image_registry, installs_at_start, opaque_resource, webhook_stops_cluster,
)  # fmt: skip

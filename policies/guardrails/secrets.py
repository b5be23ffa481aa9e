"""Secrets where they are read by more people than meant, and passwords that stand in upstream's manuals.

A finding names the path and the kind of secret, never a part of it. Paths of unknown values are noted, not guessed.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Iterator

from . import cel
from .pod_security import each
from .rule import PODS, Config, Finding, Setting, Severity, Subject, rule
from .values import folded, walk

_KUBERNETES = ("kubernetes:",)
# Shapes of secrets: each name is what a finding says.
_SHAPES = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("an access key of AWS", re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("an access key of Alibaba Cloud", re.compile(r"\bLTAI[0-9A-Za-z]{12,30}\b")),
    ("a key of Google Cloud", re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b|\"private_key_id\"\s*:\s*\"[0-9a-f]{40}\"")),
    (
        "a key of Azure",
        re.compile(r"(?i)\b(AccountKey|SharedAccessKey)=[0-9A-Za-z+/]{40,}={0,2}|[?&]sig=[0-9A-Za-z%]{30,}"),
    ),
    ("a token of a code host", re.compile(r"\b(gh[pousr]_[0-9A-Za-z]{36}|github_pat_\w{50,}|glpat-[\w-]{20,})\b")),
    ("a token of a chat", re.compile(r"\bxox[abprs]-[0-9A-Za-z-]{10,}\b")),
    ("a token of a model hub", re.compile(r"\bhf_[0-9A-Za-z]{30,}\b|\bsk-[0-9A-Za-z_-]{32,}\b|\bnvapi-[\w-]{40,}")),
    ("a signed token", re.compile(r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}")),
    ("a password in a URL", re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@$({<]+:[^\s@/$({<]{3,}@[\w.-]+")),
)
_NAMED = re.compile(
    r"(?i)(pass(word|wd|phrase)?|secret|token|api_?key|secret_?key|access_?key|private_?key|credential)s?$"
)
_HARMLESS = re.compile(
    r"(?i)|true|false|none|null|yes|no|\d{1,5}|/\S*|\$[({].*[)}]|<.*>|\{\{.*\}\}|[\w.-]+\.(json|ya?ml|pem|crt|key|txt)"
    r"|[a-z][a-z0-9-]*(/[\w.-]+)+|(\w+[-_])*(secret|password|token|credentials?|key|id|name)s?|https?://\S+"
)
_NAMES_OF_FIELDS = re.compile(
    r"(?i)(key|name|path|file|ref|dir|mount|url|uri|type|expiration|ttl|length|field|header)s?$"
)


def _decoded(text: str, depth: int = 3) -> Iterator[str]:
    """The text, and what it says once base64 or gzip around it is taken off, up to a depth."""
    yield text
    compact = re.sub(r"\s+", "", text)
    if depth == 0 or len(compact) < 8 or not re.fullmatch(r"[0-9A-Za-z+/_-]+={0,2}", compact):  # noqa: PLR2004
        return
    try:
        raw = base64.b64decode(compact.replace("-", "+").replace("_", "/") + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        return
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            return
    try:
        inner = raw.decode()
    except UnicodeDecodeError:
        return
    if inner.isprintable() or "\n" in inner:
        yield from _decoded(inner, depth - 1)


def secret_in(text: str) -> str:
    """What kind of secret a text holds, also encoded; empty if none is seen."""
    seen = text.replace("\u200b", "").replace("\u200d", "").replace("\ufeff", "").replace("\u2060", "")
    for form in _decoded(seen):
        for kind, shape in _SHAPES:
            if shape.search(form):
                return kind
    return ""


def _named_secret(name: str, value: str) -> bool:
    """A value under a name that promises a secret, unless it is plainly a reference, a switch or a path."""
    plain = folded(name).rpartition(".")[2]
    return (
        bool(_NAMED.search(plain))
        and not _NAMES_OF_FIELDS.search(plain.removesuffix("key") or plain)
        and not (_HARMLESS.fullmatch(value.strip()))
    )


_VALUE = "e.?value.orValue('')"  # in CEL


@rule(
    refuses="A secret in an environment variable, in clear.",
    why="Everybody who may look at pods reads it, and so do crash reports.",
    fix="Keep it in a Secret and use valueFrom.secretKeyRef, better a file.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.4.1",
    types=(PODS,),
    cluster=tuple(
        cel.container(kind, f"c.?env.orValue([]).all(e, !{cel.matches(_VALUE, shape.pattern)})")
        for kind, shape in _SHAPES
    ),
)
def secret_in_env(subject: Subject, _config: Config) -> Iterator[Finding]:
    """By the shape of the value, or by the name of the variable."""
    for _, container in each(subject):
        for item in container.node.at("env").items():
            value = item.at("value")
            text, name = value.text(), item.at("name").text()
            kind = secret_in(text) if text else ""
            if kind or (text and _named_secret(name, text)):
                yield Finding(text=kind or "a value under the name of a secret", path=value.path)


_OPTION = re.compile(r"(?i)--?[\w-]*(password|passwd|secret|token|api-?key|access-?key)(=|\s+)(?!\$|/|-)([^\s'\"]{4,})")


@rule(
    refuses="A secret in a command line.",
    why="Every process of the node reads it, and everybody who may look at pods.",
    fix="Read it from a file of a Secret.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.4.1",
    types=(PODS,),
)
def secret_in_args(subject: Subject, _config: Config) -> Iterator[Finding]:
    """By shape, and by the name of an option with its value."""
    for _, container in each(subject):
        for key in ("command", "args", "source"):
            place = container.node.at(key)
            line = " ".join(place.texts())
            kind = next((found for text in place.texts() if (found := secret_in(text))), "")
            option = _OPTION.search(line)
            if kind or (option and not _HARMLESS.fullmatch(option[3])):
                yield Finding(text=kind or "an option with a secret", path=place.path)


@rule(
    refuses="A secret in a ConfigMap.",
    why="ConfigMaps are neither encrypted nor hidden, and everybody reads them.",
    fix="Use a Secret.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.4.1",
    types=("ConfigMap",),
)
def secret_in_config_map(subject: Subject, _config: Config) -> Iterator[Finding]:
    """In clear, in base64 once or more, zipped, in binaryData, in lines of a file."""
    for key in ("data", "binaryData"):
        for name, value in subject.at(key).entries():
            text = value.text()
            kind = secret_in(text) if text else ""
            if not kind and key == "data":
                kind = next((found for line in re.findall(r"[0-9A-Za-z+/_-]{24,}={0,2}", text)
                             if (found := secret_in(line))), "")  # fmt: skip
            if kind or ("\n" not in text and _named_secret(name, text)):
                yield Finding(text=kind or "a value under the name of a secret", path=value.path)


@rule(
    refuses="A secret in labels, annotations or free fields of an object.",
    why="They are in every list, log and dashboard.",
    fix="Use a Secret and refer to it.",
    severity=Severity.HIGH,
    source="CIS Kubernetes 5.4.1",
    types=_KUBERNETES,
)
def secret_in_object(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Everything but what the rules above look at, Secrets, and bundles of certificates."""
    if subject.resource.kind in {"Secret", "ConfigMap", "CustomResourceDefinition"}:
        return
    seen = {
        item.path
        for _, c in each(subject)
        for key in ("env", "args", "command", "source")
        for _, item in walk(c.node.at(key))
    }
    for _, place in walk(subject.root):
        if isinstance(place.value, str) and place.path not in seen and len(place.value) > 15:  # noqa: PLR2004
            kind = secret_in(place.value)
            if kind:
                yield Finding(text=kind, path=place.path)


@rule(
    refuses="A secret in what a machine is told at its start.",
    why="Every process of the machine, and every pod that reaches its metadata, reads it.",
    fix="Let the machine fetch it by its identity.",
    severity=Severity.HIGH,
    source="AWS EC2: user data is not protected",
    types=("aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/instance:Instance", "gcp:compute/", "gcp:container/",
           "alicloud:cs/nodePool:NodePool", "alicloud:ecs/", "azure-native:compute"),
)  # fmt: skip
def secret_in_user_data(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Encoded as the clouds want it. vSphere has no identity of machines: there it cannot be avoided."""
    for key in ("userData", "userDataBase64", "customData", "metadata", "metadataStartupScript"):
        for _, place in walk(subject.at(key)):
            kind = secret_in(place.text())
            if kind:
                yield Finding(text=kind, path=place.path)


_KNOWN = ("minio", "minio123", "12341234", "$2y$12$4K/VkmDd1q1Orb3xAt82zu8gk7Ad6ReFR4LCP9UeYE90NLiN9Df72", "admin",
          "password", "changeme", "mlpipeline", "ultrasecret", "prom-operator", "test", "root", "secret",
          "aws-access-key", "hunter2")  # fmt: skip
# In CEL, which cannot open base64: so the words are wrapped. Whole hashes are no words.
_WORDS = [word for word in _KNOWN if not word.startswith("$")]
_PROMISED = cel.matches("e.name", _NAMED.pattern)
_PUBLISHED = (
    f"({_VALUE}.trim().lowerAscii() in {cel.literal(_WORDS)} || {_VALUE}.trim().lowerAscii() in variables.more)"
)
_FORMS = [form for word in _WORDS for form in (word, word.upper(), word.capitalize(), f"{word}\n")]
_WRAPPED = cel.literal(sorted({base64.b64encode(form.encode()).decode() for form in _FORMS}))
_KEPT = f"{cel.matches('k', _NAMED.pattern)} && string(object.data[k]) in {_WRAPPED}"


@rule(
    refuses="A password that stands in upstream's manifests or manuals.",
    why="It is the first that anybody tries.",
    fix="Generate it, and keep it in a Secret.",
    severity=Severity.CRITICAL,
    source="kubeflow/manifests: README, Change the default user password",
    types=("Secret", "ConfigMap", "kubernetes:"),
    settings={"more": Setting(type="array", default=[], about="further passwords that count as published")},
    cluster=(
        cel.container("a published password", f"c.?env.orValue([]).all(e, !({_PROMISED} && {_PUBLISHED}))"),
        cel.thing("/secrets", "a published password", f"object.?data.orValue({{}}).all(k, !({_KEPT}))"),
    ),
)
def default_credentials(subject: Subject, config: Config) -> Iterator[Finding]:
    """In Secrets under names of passwords, in environments, and Dex's published hash anywhere."""
    known = {folded(text) for text in (*_KNOWN, *config["more"])}
    if subject.resource.kind == "Secret":
        for key in ("stringData", "data"):
            for name, value in subject.at(key).entries():
                forms = {folded(text.strip()) for text in _decoded(value.text(), 1)}
                if forms & known and _NAMED.search(folded(name)):
                    yield Finding(text="a published password", path=value.path)
    for _, container in each(subject):
        for item in container.node.at("env").items():
            if _NAMED.search(item.at("name").text()) and folded(item.at("value").text().strip()) in known:
                yield Finding(text="a published password", path=item.at("value").path)
    for _, place in walk(subject.root):
        if isinstance(place.value, str) and _DEX in place.value:
            yield Finding(text="the published hash of Dex's example user", path=place.path)


_DEX = "4K/VkmDd1q1Orb3xAt82zu8gk7Ad6ReFR4LCP9UeYE90NLiN9Df72"


@rule(
    refuses="A Kubernetes provider that does not verify whom it talks to.",
    why="Everything it sends, Secrets included, can be read on the way.",
    fix="Remove insecure-skip-tls-verify and give certificate-authority-data.",
    severity=Severity.CRITICAL,
    source="Kubernetes: kubeconfig",
    types=("pulumi:providers:kubernetes",),
)
def provider_unverified(subject: Subject, _config: Config) -> Iterator[Finding]:
    """A kubeconfig is text; it may be unknown until the cluster is there."""
    place = subject.at("kubeconfig")
    if re.search(r"insecure-skip-tls-verify[\"']?\s*:\s*[\"']?(true|yes|on)", place.text(), re.IGNORECASE):
        yield Finding(text="the API server's certificate is not verified", path=place.path)


@rule(
    refuses="A secret in the stack file, in clear.",
    why="It is in version control for ever.",
    fix="pulumi config set --secret",
    severity=Severity.CRITICAL,
    source="Pulumi: secrets in configuration",
    types=("stackfile:",),
)
def secret_in_stack_file(subject: Subject, _config: Config) -> Iterator[Finding]:
    """Encrypted values are mappings with `secure`. Only `check --stack-file` sees the file: a pack gets values."""
    for key, place in walk(subject.root):
        if key == "secure" or not isinstance(place.value, str):
            continue
        kind = secret_in(place.value)
        if kind or _named_secret(key.rpartition(":")[2], place.value):
            yield Finding(text=kind or "a value under the name of a secret", path=place.path)


RULES = (
    secret_in_env, secret_in_args, secret_in_config_map, secret_in_object, secret_in_user_data, default_credentials,
    provider_unverified, secret_in_stack_file,
)  # fmt: skip

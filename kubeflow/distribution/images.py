"""Every image that objects name, also in ConfigMaps, environment, arguments and custom resources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import yaml

from .documents import Body, Document, is_crd

_HOST = r"(?:[a-z0-9-]+(?:\.[a-z0-9-]+)+|localhost)(?::\d+)?"
_PATH = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
_TAG = r":[A-Za-z0-9_][\w.-]{0,127}"
_DIGEST = r"@sha256:[0-9a-f]{64}"
_REFERENCE = re.compile(rf"(?:{_HOST}/)?{_PATH}(?:{_TAG})?(?:{_DIGEST})?")
_IN_TEXT = re.compile(rf"(?<![\w./:@$-]){_HOST}/{_PATH}(?:{_TAG}{_DIGEST}|{_TAG}|{_DIGEST})(?![\w/:@-])")
_UNTAGGED_IN_TEXT = re.compile(rf"(?<![\w./:@$-]){_HOST}/{_PATH}/{_PATH}(?![\w/:@.-])")
_IMAGE_LINE = re.compile(r"[\s-]*\"?\w*[iI]mage\"?\s*:\s*[\"']?([\w./:@-]+)[\"']?,?\s*")
_IMAGE_KEY = re.compile(r"(?:^|[a-z_-])(?:image|Image|IMAGE)$")
_IMAGE_FLAG = re.compile(r"--[\w-]*image(?:=(.+))?")
_PLACES_OF_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Found:
    """One place that names an image."""

    image: str
    component: str
    identity: str
    path: str

    @property
    def pinned(self) -> str:
        """`digest`, `tag` or `nothing`: how exactly the place says which image."""
        return pinned_by(self.image)


class _Scope(NamedTuple):
    """What an enclosing mapping says about the images in it."""

    hub: str = ""
    tag: str = ""
    choices: bool = False  # inside a list of images that a user may choose from


def pinned_by(image: str) -> str:
    """How exactly a reference says which image it means."""
    if "@sha256:" in image:
        return "digest"
    return "tag" if ":" in image.rsplit("/", 1)[-1] else "nothing"


def find(component: str, documents: Iterable[Document]) -> tuple[Found, ...]:
    """All images of a component's objects, each place once. Schemas of CRDs name none."""
    found = {
        Found(image=image, component=component, identity=str(document.identity), path=path)
        for document in documents
        if not is_crd(document.identity)
        for image, path in _of_object(document)
    }
    return tuple(sorted(found))


def by_image(found: Iterable[Found]) -> Mapping[str, tuple[Found, ...]]:
    """The places of each image, images in order."""
    grouped: dict[str, list[Found]] = {}
    for item in sorted(found):
        grouped.setdefault(item.image, []).append(item)
    return {image: tuple(items) for image, items in grouped.items()}


def _of_object(document: Document) -> Iterator[tuple[str, str]]:
    """Images of one object. Data of a ConfigMap is read as what it holds where it holds YAML or JSON."""
    holds_texts = document.identity.kind in ("ConfigMap", "Secret") and document.identity.group == ""
    for key, value in document.body.items():
        if holds_texts and key in ("data", "stringData") and isinstance(value, dict):
            for name, text in cast("Body", value).items():
                yield from _of_text(name, str(text), f"{key}[{name}]")
        else:
            yield from _walk(value, key, _Scope())


def _of_text(name: str, text: str, path: str) -> Iterator[tuple[str, str]]:
    """Images in one entry of a ConfigMap. Entries such as `_example` are documentation."""
    if name.startswith("_"):
        return
    if _IMAGE_KEY.search(name) and _plausible(text):
        yield text, path
        return
    content = _structured(text)
    if content is not None:
        yield from _walk(content, path, _Scope())
        return
    for match in _IN_TEXT.finditer(text):
        yield match[0], path
    for line in text.split("\n"):
        field = _IMAGE_LINE.fullmatch(line)
        if field and ("/" in field[1] or ":" in field[1]) and _plausible(field[1]):
            yield field[1], path
        if "image" in line.lower():
            yield from ((match[0], path) for match in _UNTAGGED_IN_TEXT.finditer(line))


def _structured(text: str) -> object | None:
    """The mapping or list that a text spells; None where it is only text, or a template."""
    if ":" not in text or "image" not in text.lower():
        return None
    try:
        return json.loads(text) if text.lstrip().startswith(("{", "[")) else _read_yaml(text)
    except (ValueError, yaml.YAMLError):
        return None


def _read_yaml(text: str) -> object | None:
    """A YAML document that is more than one scalar."""
    content: Any = yaml.load(text, Loader=yaml.CSafeLoader)
    return content if isinstance(content, dict | list) else None  # pyright: ignore[reportUnknownVariableType]


def _walk(node: object, path: str, scope: _Scope) -> Iterator[tuple[str, str]]:
    """Images in any value, with the path of each."""
    if isinstance(node, dict):
        yield from _of_mapping(cast("dict[Any, Any]", node), path, scope)
    elif isinstance(node, list):
        items = cast("list[object]", node)
        yield from _of_flags(items, path)
        for index, item in enumerate(items):
            yield from _walk(item, f"{path}[{index}]", scope)
    elif isinstance(node, str):
        if scope.choices and ":" in node and _plausible(node):
            yield node, path
        elif "\n" in node:
            yield from _of_text("", node, path)
        else:
            yield from ((match[0], path) for match in _IN_TEXT.finditer(node))


def _of_mapping(node: Mapping[Any, Any], path: str, scope: _Scope) -> Iterator[tuple[str, str]]:
    """Images named by the keys of a mapping, then those of its values."""
    inner = _Scope(hub=_text(node, "hub") or scope.hub, tag=_text(node, "tag") or scope.tag, choices=scope.choices)
    named = _text(node, "name")
    value = _text(node, "value")
    if named.endswith("IMAGE") and value and _plausible(value):
        yield value, f"{path}.value"
    for raw, item in node.items():
        key = str(raw)
        step = f"{path}.{key}"
        if isinstance(item, str) and _IMAGE_KEY.search(key):
            image = _complete(item, node, path, inner)
            if image:
                yield image, step
        elif isinstance(item, dict | list) and re.fullmatch(r"image(?:s|Group\w+)?", key):
            yield from _walk(cast("object", item), step, inner._replace(choices=True))
        else:
            yield from _walk(cast("object", item), step, inner)


def _complete(value: str, node: Mapping[Any, Any], path: str, scope: _Scope) -> str:
    """The reference that an image field means together with its neighbours; empty where it means none."""
    repository, version = _text(node, "repository"), _text(node, "version")
    if repository and "/" not in value:
        joint = "@" if version.startswith("sha256:") else ":"
        return f"{repository}/{value}{joint}{version}" if version else f"{repository}/{value}"
    if "/" not in value and ":" not in value:
        if scope.hub and _plausible(f"{scope.hub}/{value}"):
            return f"{scope.hub}/{value}:{scope.tag}" if scope.tag else f"{scope.hub}/{value}"
        in_container = any(f"{place}[" in path for place in _PLACES_OF_CONTAINERS)
        return value if in_container and _plausible(value) else ""
    default = _text(node, "defaultImageVersion")
    if default and pinned_by(value) == "nothing":
        return f"{value}:{default}"
    return value if _plausible(value) else ""


def _of_flags(items: list[object], path: str) -> Iterator[tuple[str, str]]:
    """Images given as `--some-image=X` or as `--some-image` followed by X."""
    for index, item in enumerate(items):
        match = _IMAGE_FLAG.fullmatch(item) if isinstance(item, str) else None
        if match is None:
            continue
        following = items[index + 1] if index + 1 < len(items) else None
        value, place = (match[1], index) if match[1] else (following, index + 1)
        if isinstance(value, str) and _plausible(value):
            yield value, f"{path}[{place}]"


def _plausible(value: str) -> bool:
    """Whether a text that stands in the place of an image can be one."""
    return _REFERENCE.fullmatch(value) is not None


def _text(node: Mapping[Any, Any], key: str) -> str:
    """A text field; empty where there is none."""
    value = node.get(key)
    return value if isinstance(value, str) else ""

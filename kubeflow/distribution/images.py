"""Every image that objects name, also in ConfigMaps, environment, arguments and custom resources.

One walk finds and changes them, so that what is listed and what is rewritten cannot differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import yaml

from .documents import Body, Document, is_crd
from .references import DIGEST, HOST, PATH, TAG, moves, parse, pinned_by, plausible

_IN_TEXT = re.compile(rf"(?<![\w./:@$-]){HOST}/{PATH}(?:{TAG}{DIGEST}|{TAG}|{DIGEST})(?![\w/:@-])")
_UNTAGGED_IN_TEXT = re.compile(rf"(?<![\w./:@$-]){HOST}/{PATH}/{PATH}(?![\w/:@.-])")
_IMAGE_LINE = re.compile(r"[\s-]*\"?\w*[iI]mage\"?\s*:\s*[\"']?([\w./:@-]+)[\"']?,?\s*")
_IMAGE_KEY = re.compile(r"(?:^|[a-z_-])(?:image|Image|IMAGE)$")
_IMAGE_FLAG = re.compile(r"--[\w-]*image(?:=(.+))?")
_PLACES_OF_CONTAINERS = frozenset({"containers", "initContainers", "ephemeralContainers"})

__all__ = ["Change", "Found", "by_image", "find", "moves", "pinned_by", "places", "rewrite"]

Change = Callable[[str, str], str]  # an image and its path -> the image that shall stand there


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


def find(component: str, documents: Iterable[Document]) -> tuple[Found, ...]:
    """All images of a component's objects, each place once. Schemas of CRDs name none."""
    found = {
        Found(image=image, component=component, identity=str(document.identity), path=path)
        for document in documents
        if not is_crd(document.identity)
        for image, path in places(document.body)
    }
    return tuple(sorted(found))


def places(body: Body) -> tuple[tuple[str, str], ...]:
    """The images of one object, each with its path."""
    seen: list[tuple[str, str]] = []

    def note(image: str, path: str) -> str:
        seen.append((image, path))
        return image

    rewrite(body, note)
    return tuple(seen)


def by_image(found: Iterable[Found]) -> Mapping[str, tuple[Found, ...]]:
    """The places of each image, images in order."""
    grouped: dict[str, list[Found]] = {}
    for item in sorted(found):
        grouped.setdefault(item.image, []).append(item)
    return {image: tuple(items) for image, items in grouped.items()}


def rewrite(body: Body, change: Change) -> Body:
    """The object with other images. Data of a ConfigMap is read as what it holds where it holds YAML or JSON."""
    holds_texts = body["kind"] in ("ConfigMap", "Secret") and body["apiVersion"] == "v1"
    changed: Body = {}
    for key, value in body.items():
        if holds_texts and key in ("data", "stringData") and isinstance(value, dict):
            texts = cast("Body", value).items()
            changed[key] = {
                name: _in_text(name, text, f"{key}[{name}]", change) if isinstance(text, str) else text
                for name, text in texts
            }
        else:
            changed[key] = _walk(value, key, _Scope(), change)
    return changed


def _in_text(name: str, text: str, path: str, change: Change) -> str:
    """One entry of a ConfigMap. Entries such as `_example` are documentation."""
    if name.startswith("_"):
        return text
    if _IMAGE_KEY.search(name) and plausible(text):
        return change(text, path)
    content = _structured(text)
    if content is None:
        return _in_prose(text, path, change)
    changed = _walk(content, path, _Scope(), change)
    return text if changed == content else _edited(text, content, changed)


def _in_prose(text: str, path: str, change: Change) -> str:
    """A template or a program: its images are known by their form only."""
    spans = {match.span(): change(match[0], path) for match in _IN_TEXT.finditer(text)}
    start = 0
    for line in text.split("\n"):
        field = _IMAGE_LINE.fullmatch(line)
        if field and ("/" in field[1] or ":" in field[1]) and plausible(field[1]):
            span = (start + field.start(1), start + field.end(1))
            if span not in spans:
                spans[span] = change(field[1], path)
        if "image" in line.lower():
            for match in _UNTAGGED_IN_TEXT.finditer(line):
                span = (start + match.start(), start + match.end())
                if span not in spans:  # the program itself adds the tag
                    spans[span] = parse(change(match[0], path)).name
        start += len(line) + 1
    return _spliced(text, spans)


def _spliced(text: str, spans: Mapping[tuple[int, int], str]) -> str:
    for (start, end), new in sorted(spans.items(), reverse=True):
        text = text[:start] + new + text[end:]
    return text


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


def _edited(text: str, before: object, after: object) -> str:
    """The text with changed values at their places; comments, order and style stay."""
    spans: dict[tuple[int, int], str] = {}
    root = cast("Any", yaml.compose(text, Loader=yaml.CSafeLoader))  # pyright: ignore[reportUnknownMemberType]
    for node, old, new in _differences(root, before, after):
        span = (node.start_mark.index, node.end_mark.index)
        spans[span] = _spelled(text[slice(*span)], node.style or "", old, new)
    return _spliced(text, spans)


def _differences(node: Any, before: Any, after: Any) -> Iterator[tuple[Any, str, str]]:  # noqa: ANN401 - any YAML
    """The scalars that differ, with the old and the new value."""
    if before == after:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in before:
                yield from _differences(value, before[key.value], after[key.value])
    elif isinstance(node, yaml.SequenceNode):
        for value, old, new in zip(node.value, before, after, strict=True):
            yield from _differences(value, old, new)
    else:
        yield node, before, after


def _spelled(source: str, style: str, before: str, after: str) -> str:
    """A new value in the style of the old one."""
    if style == '"':
        return json.dumps(after)
    if style == "'":
        return "'" + after.replace("'", "''") + "'"
    if style != "|":
        return after
    head, *lines = source.split("\n")
    pairs = zip(before.split("\n"), after.split("\n"), strict=True)
    for index, (old, new) in enumerate(pairs):
        if old != new:
            lines[index] = lines[index].replace(old, new)
    return "\n".join([head, *lines])


def _walk(node: object, path: str, scope: _Scope, change: Change) -> object:
    """Any value with other images; what is no JSON stays."""
    if isinstance(node, dict):
        return _in_mapping(cast("dict[Any, Any]", node), path, scope, change)
    if isinstance(node, list):
        items = cast("list[object]", node)
        flags = _in_flags(items, path, change)
        return [
            flags[index] if index in flags else _walk(item, f"{path}[{index}]", scope, change)
            for index, item in enumerate(items)
        ]
    if not isinstance(node, str):
        return node
    if scope.choices and ":" in node and plausible(node):
        return change(node, path)
    if "\n" in node:
        return _in_text("", node, path, change)
    return _IN_TEXT.sub(lambda match: change(match[0], path), node)


def _in_mapping(node: Mapping[Any, Any], path: str, scope: _Scope, change: Change) -> dict[Any, Any]:
    """Images named by the keys of a mapping, and those in its values."""
    inner = _Scope(hub=_text(node, "hub") or scope.hub, tag=_text(node, "tag") or scope.tag, choices=scope.choices)
    fields: dict[str, str] = {}
    value = _text(node, "value")
    if _text(node, "name").endswith("IMAGE") and value and plausible(value):
        fields["value"] = change(value, f"{path}.value")
    for key, item in node.items():
        if isinstance(item, str) and _IMAGE_KEY.search(str(key)):
            fields |= {str(key): item} | _image_field(str(key), node, path, inner, change)
    changed: dict[Any, Any] = {}
    for key, item in node.items():
        choices = not isinstance(item, str) and re.fullmatch(r"image(?:s|Group\w+)?", str(key))
        deeper = inner._replace(choices=True) if choices else inner
        changed[key] = fields[key] if key in fields else _walk(item, f"{path}.{key}", deeper, change)
    return changed


def _image_field(key: str, node: Mapping[Any, Any], path: str, scope: _Scope, change: Change) -> dict[str, str]:
    """An image field and the neighbours that say the rest of the reference, changed; nothing where it means none."""
    value, step = node[key], f"{path}.{key}"
    repository, version = _text(node, "repository"), _text(node, "version")
    if repository and "/" not in value:
        joint = "@" if version.startswith("sha256:") else ":"
        whole = parse(change(f"{repository}/{value}{joint}{version}".removesuffix(":"), step))
        folder, _, last = whole.name.rpartition("/")
        fields = {"repository": folder, key: last}
        return fields | ({"version": whole.digest or whole.tag} if version else {})
    if "/" not in value and ":" not in value:
        if scope.hub and plausible(f"{scope.hub}/{value}"):
            whole = f"{scope.hub}/{value}:{scope.tag}" if scope.tag else f"{scope.hub}/{value}"
            changed = change(whole, step)
            return {} if changed == whole else {key: changed}
        in_container = any(f"{place}[" in path for place in _PLACES_OF_CONTAINERS)
        return {key: change(value, step)} if in_container and plausible(value) else {}
    default = _text(node, "defaultImageVersion")
    if default and pinned_by(value) == "nothing":
        whole = parse(change(f"{value}:{default}", step))
        return {key: whole.name, "defaultImageVersion": str(whole).removeprefix(f"{whole.name}:")}
    return {key: change(value, step)} if plausible(value) else {}


def _in_flags(items: list[object], path: str, change: Change) -> dict[int, str]:
    """Images given as `--some-image=X` or as `--some-image` followed by X: the changed items by index."""
    changed: dict[int, str] = {}
    for index, item in enumerate(items):
        match = _IMAGE_FLAG.fullmatch(item) if isinstance(item, str) else None
        if match is None:
            continue
        following = items[index + 1] if index + 1 < len(items) else None
        value, place = (match[1], index) if match[1] else (following, index + 1)
        if isinstance(value, str) and plausible(value):
            new = change(value, f"{path}[{place}]")
            changed[place] = match[0].removesuffix(value) + new if match[1] else new
    return changed


def _text(node: Mapping[Any, Any], key: str) -> str:
    """A text field; empty where there is none."""
    value = node.get(key)
    return value if isinstance(value, str) else ""

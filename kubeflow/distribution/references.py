"""How an image's reference is spelled: registry, name, tag, digest. Knows no image."""

from __future__ import annotations

import re
from typing import NamedTuple

HOST = r"(?:[a-z0-9-]+(?:\.[a-z0-9-]+)+|localhost)(?::\d+)?"
PATH = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
TAG = r":[A-Za-z0-9_][\w.-]{0,127}"
DIGEST = r"@sha256:[0-9a-f]{64}"
_REFERENCE = re.compile(rf"(?:{HOST}/)?{PATH}(?:{TAG})?(?:{DIGEST})?")

# What container runtimes complete a name without a registry to.
_DEFAULT_REGISTRY = "docker.io"
_DEFAULT_FOLDER = "library"


class Reference(NamedTuple):
    """An image's name with its registry, and what says which one of that name; empty where nothing does."""

    name: str
    tag: str
    digest: str

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}@{self.digest}" if self.digest else f"{self.name}{tag}"

    @property
    def exact(self) -> str:
        """The same image said as shortly as possible: beside a digest, a tag is only a remark."""
        return f"{self.name}@{self.digest}" if self.digest else str(self)


def parse(image: str) -> Reference:
    """The parts of a reference."""
    whole, _, digest = image.partition("@")
    folder, slash, last = whole.rpartition("/")
    name, _, tag = last.partition(":")
    return Reference(f"{folder}{slash}{name}", tag, digest)


def pinned_by(image: str) -> str:
    """How exactly a reference says which image it means: `digest`, `tag` or `nothing`."""
    reference = parse(image)
    if reference.digest:
        return "digest"
    return "tag" if reference.tag else "nothing"


def moves(image: str) -> bool:
    """Whether even its publisher means another image by it from day to day."""
    reference = parse(image)
    return not reference.digest and reference.tag in ("", "latest")


def plausible(value: str) -> bool:
    """Whether a text that stands in the place of an image can be one."""
    return _REFERENCE.fullmatch(value) is not None


def qualified(name: str) -> str:
    """A name with the registry and the folder that container runtimes complete it to."""
    first, slash, _ = name.partition("/")
    if slash and re.fullmatch(HOST, first):
        return name
    return f"{_DEFAULT_REGISTRY}/{name}" if slash else f"{_DEFAULT_REGISTRY}/{_DEFAULT_FOLDER}/{name}"

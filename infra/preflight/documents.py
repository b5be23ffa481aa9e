"""Reading JSON documents of services: what a service leaves out is empty."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def part(body: Json, key: str) -> Json:
    """A mapping inside a document."""
    return body.get(key) or {}


def parts(body: Json, key: str) -> list[Json]:
    """A list of mappings inside a document."""
    return body.get(key) or []


def texts(body: Json, key: str) -> list[str]:
    """A list of strings inside a document."""
    return body.get(key) or []

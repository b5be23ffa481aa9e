"""IAM documents of AWS and Alibaba Cloud as statements, whatever spelling they have. Judges nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from .values import Node


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One statement; its place is that of the document, which may be text."""

    node: Node
    body: Node

    def _texts(self, key: str) -> list[str]:
        """Names of elements are not case-sensitive in some places, so they are nowhere here."""
        return [text for name, place in self.body.entries() if name.lower() == key for text in place.texts()]

    @property
    def allows(self) -> bool:
        """Whether it gives rights."""
        return [text.lower() for text in self._texts("effect")] == ["allow"]

    @property
    def actions(self) -> list[str]:
        """What it is about."""
        return self._texts("action")

    @property
    def resources(self) -> list[str]:
        """On what."""
        return self._texts("resource")

    @property
    def inverted(self) -> bool:
        """Whether it allows all but what it names."""
        return any(name.lower() in {"notaction", "notresource", "notprincipal"} for name, _ in self.body.entries())

    @property
    def anyone(self) -> bool:
        """Whether everybody is meant."""
        principal = next((place for name, place in self.body.entries() if name.lower() == "principal"), None)
        if principal is None:
            return False
        return "*" in principal.texts() or any("*" in place.texts() for _, place in principal.entries())

    @property
    def conditions(self) -> dict[str, list[str]]:
        """Keys of all conditions with their values."""
        found: dict[str, list[str]] = {}
        for name, operators in self.body.entries():
            if name.lower() == "condition":
                for _, keys in operators.entries():
                    found.update({key.lower(): value.texts() for key, value in keys.entries()})
        return found

    @property
    def conditioned(self) -> bool:
        """Whether any condition narrows it."""
        return bool(self.conditions)

    @property
    def federated(self) -> bool:
        """Whether tokens of another issuer are taken."""
        return any("withwebidentity" in action.lower() or "assumerolewithoidc" in action.lower()
                   for action in self.actions) or self._oidc  # fmt: skip

    @property
    def _oidc(self) -> bool:
        principal = next((place for name, place in self.body.entries() if name.lower() == "principal"), None)
        texts = principal.at("Federated").texts() if principal is not None else []
        return any("oidc-provider" in text for text in texts)


def statements(document: Node) -> Iterator[Statement]:
    """The statements of a document; an unknown one is noted, one that is no JSON is none."""
    if document.unknown or not document.present:
        return
    body: Any = document.value
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return
    if not isinstance(body, dict):
        return
    parsed = cast("dict[str, Any]", body)
    inner = document.parsed(next((value for key, value in parsed.items() if key.lower() == "statement"), None))
    for item in inner.items():
        yield Statement(node=document, body=item)

"""The stand-in's tables and rules fit the SDKs: whatever they name exists there, with a type that takes the value."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from rehearsal.cloud_provider.checks import check
from rehearsal.cloud_provider.inventing import api_server, fill
from rehearsal.cloud_provider.metadata import Shape
from rehearsal.cloud_provider.package import Package
from rehearsal.launchers import CLOUD_PACKAGES


@cache
def package(name: str) -> Package:
    return Package(name)


def filled(value: object) -> dict[str, Any]:
    return fill(value, {**api_server(), "octet": 20})


@pytest.mark.parametrize("name", CLOUD_PACKAGES)
def test_canned_outputs_have_the_types_that_the_sdk_promises(name: str) -> None:
    one = package(name)
    wrong = [
        (token, *failure)
        for token, outputs in one.table.outputs.items()
        for failure in check(one.sdk, one.sdk.resource(token).gives, filled(outputs))
        if "missing required" not in failure.reason
    ]
    assert wrong == []


@pytest.mark.parametrize("name", CLOUD_PACKAGES)
def test_canned_answers_have_the_types_that_the_sdk_promises(name: str) -> None:
    one = package(name)
    wrong = [
        (token, *failure)
        for token, answer in one.table.invokes.items()
        for failure in check(one.sdk, one.sdk.function(token).gives, filled(answer))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", CLOUD_PACKAGES)
def test_identifiers_and_replacements_name_types_and_inputs_of_the_sdk(name: str) -> None:
    one = package(name)
    for token in (*one.table.ids, *one.table.force_new, *one.table.in_place):
        if token == "*":
            continue
        takes = one.sdk.resource(token).takes
        named = one.table.force_new.get(token, frozenset()) | one.table.in_place.get(token, frozenset())
        assert [text for path in named for text in unresolved(one, takes, path.split("."))] == [], token


def unresolved(one: Package, shape: Shape, path: list[str]) -> Iterator[str]:
    """The parts of a path that the SDK does not know."""
    for part in path[0].split("|"):
        name = part.removesuffix("[]")
        if name not in shape.props:
            yield f"{shape.name} has no {name}"
        elif len(path) > 1:
            inner = one.sdk.referred(shape.props[name], shape.folder)
            if inner is None:
                yield f"{shape.name}.{name} holds no objects"
            else:
                yield from unresolved(one, inner, path[1:])


@pytest.mark.parametrize("name", CLOUD_PACKAGES)
def test_outputs_that_follow_an_input_are_canned_and_the_input_exists(name: str) -> None:
    one = package(name)
    for token, follows in one.table.follows.items():
        assert follows.keys() <= one.table.outputs[token].keys()
        assert set(follows.values()) <= one.sdk.resource(token).takes.props.keys()


@pytest.mark.parametrize("name", CLOUD_PACKAGES)
def test_every_path_of_a_rule_exists_in_the_sdk(name: str) -> None:
    one = package(name)
    wrong = list[tuple[str, str]]()
    for token, paths in (*one.rules.required.items(), *one.rules.values.items()):
        takes = one.sdk.resource(token).takes
        wrong += [(token, text) for path in paths for text in unresolved(one, takes, path.split("."))]
    for token, needs in one.rules.needs.items():
        props = one.sdk.resource(token).takes.props
        wrong += [(token, name) for one_of in needs.items() for name in (one_of[0], *one_of[1]) if name not in props]
    for token, paths in one.rules.invokes.items():
        takes = one.sdk.function(token).takes
        wrong += [(token, text) for path in paths for text in unresolved(one, takes, path.split("."))]
    assert wrong == []

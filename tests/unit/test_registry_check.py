"""The model registry's check against a stand-in of its API, and what makes it fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.support.stack_outputs import outputs
from tests.support.stand_in import Answerer, Request, directly, serving
from tests.support.stand_in_registry import ModelRegistry
from workloads.api import Answer, Api, UnexpectedAnswerError
from workloads.backends.cluster.registry import server
from workloads.checks import registry
from workloads.cluster import Visit
from workloads.contract import parse
from workloads.outcome import Probes, SkippedError

SPACES = ("check-vision", "check-nlp")

Change = Callable[[Request, int, Any], tuple[int, object]]


class Owners:
    """The API server, as far as the check asks it: who has a registry."""

    def __init__(self, *namespaces: str) -> None:
        self._namespaces = namespaces

    def get(self, path: str) -> Answer:
        held = any(f"/{one}/deployments/model-registry-deployment" in path for one in self._namespaces)
        return Answer(status=200 if held else 404, body={})


def checked(kept: ModelRegistry, answer: Answerer | None = None, other: Answerer | None = None) -> Probes:
    """The check, with a registry of the first tenant, and one of the second if there is an answer from it."""
    api = Owners(*SPACES[: 1 if other is None else 2])
    visit = Visit(cast("Api", api), run="20260101T000000", timeout_seconds=1)
    with serving(answer or kept.answer) as one, serving(other or ModelRegistry().answer) as two:
        servers = {server(SPACES[0]): one, server(SPACES[1]): two}
        return registry.model(parse(outputs(), source="test"), visit, connect=directly(servers))


def broken(probes: Probes) -> list[str]:
    return [one.claim for one in probes.all if not one.held]


def test_a_model_is_registered_found_and_archived() -> None:
    kept = ModelRegistry()
    probes = checked(kept)
    assert broken(probes) == []
    assert probes.missing_half() is None
    assert [(one["name"], one["state"]) for one in kept.models.values()] == [("proof-20260101T000000", "ARCHIVED")]


def test_what_a_dead_run_left_is_archived_and_what_people_registered_is_not() -> None:
    kept = ModelRegistry()
    kept.models = {"90": {"id": "90", "name": "proof-dead", "state": "LIVE"}, "91": {"id": "91", "name": "theirs"}}
    assert broken(checked(kept)) == []
    assert kept.models["90"]["state"] == "ARCHIVED"
    assert kept.models["91"] == {"id": "91", "name": "theirs"}


def finds_anything(_: Request, status: int, said: Any) -> tuple[int, object]:  # noqa: ANN401
    return (200, {"id": "1", "name": "x"}) if status == 404 else (status, said)


def forgets_artifacts(asked: Request, status: int, said: Any) -> tuple[int, object]:  # noqa: ANN401
    artifacts = asked.method == "GET" and asked.path.endswith("/artifacts")
    return (status, {**said, "items": []}) if artifacts else (status, said)


def forgets_versions(asked: Request, status: int, said: Any) -> tuple[int, object]:  # noqa: ANN401
    versions = asked.method == "GET" and asked.path.endswith("/versions")
    return (status, {**said, "items": []}) if versions else (status, said)


def forgets_descriptions(asked: Request, status: int, said: Any) -> tuple[int, object]:  # noqa: ANN401
    return (status, {**said, "description": ""}) if asked.path.endswith("registered_model") else (status, said)


def takes_twice(_: Request, status: int, said: Any) -> tuple[int, object]:  # noqa: ANN401
    return (201, {"id": "9"}) if status == 409 else (status, said)


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (finds_anything, "a model that nobody has registered is not found"),
        (forgets_descriptions, "a registered model is found by its name, as it was described"),
        (forgets_versions, "it has its version"),
        (forgets_artifacts, "the version has its artifact, with address and format"),
        (takes_twice, "a second model of the same name is refused"),
    ],
)
def test_a_registry_that_does_not_keep_its_word_fails(change: Change, claim: str) -> None:
    kept = ModelRegistry()
    probes = checked(kept, lambda asked: change(asked, *kept.answer(asked)))
    assert broken(probes) == [claim]


@pytest.mark.fails("registry.model", on="cluster")
def test_a_registry_that_archives_nothing_fails() -> None:
    kept = ModelRegistry()

    def deaf(asked: Request) -> tuple[int, object]:
        return (200, {}) if asked.method == "PATCH" else kept.answer(asked)

    assert broken(checked(kept, deaf)) == ["what was registered is not offered afterwards"]


def test_a_registry_that_is_broken_is_an_error_of_the_check_and_still_cleaned_up() -> None:
    kept = ModelRegistry()

    def half(asked: Request) -> tuple[int, object]:
        return (500, {"message": "no database"}) if asked.path.endswith("/artifacts") else kept.answer(asked)

    with pytest.raises(UnexpectedAnswerError, match="no database"):
        checked(kept, half)
    assert [one["state"] for one in kept.models.values()] == ["ARCHIVED"]


def test_a_registry_of_each_tenant_is_its_own() -> None:
    assert broken(checked(ModelRegistry(), other=ModelRegistry().answer)) == []


@pytest.mark.fails("registry.model", on="cluster")
def test_one_registry_for_two_tenants_fails() -> None:
    kept = ModelRegistry()
    assert broken(checked(kept, other=kept.answer)) == ["check-nlp does not find the model of check-vision"]


def test_it_is_skipped_where_no_tenant_has_a_registry() -> None:
    visit = Visit(cast("Api", Owners()), run="20260101T000000", timeout_seconds=1)
    with pytest.raises(SkippedError, match="no tenant has a model registry"):
        registry.model(parse(outputs(), source="test"), visit)

"""The component that makes secrets: one resource a value, with stable names, and nothing of it in clear."""

from __future__ import annotations

import pulumi

from infra.objects import KubernetesObject
from kubeflow.generated import GeneratedSecrets, GeneratedSecretsArgs
from kubeflow.install import secrets
from kubeflow.install.planned import own
from kubeflow.install.waves import Wave
from tests.support import graph

VALUES = secrets.needed(("dex", "oauth2-proxy", "pipelines"))


def make(rotation: int = 1, *people: str) -> tuple[graph.Graph, GeneratedSecrets]:
    made: list[GeneratedSecrets] = []

    def program() -> None:
        args = GeneratedSecretsArgs(values=VALUES, people=people, rotation=rotation)
        made.append(GeneratedSecrets("generated", args))

    return graph.run(program), made[0]


def test_one_resource_is_made_for_each_value_and_each_person() -> None:
    recorded, made = make(1, "ada@example.test")
    assert {item.name for item in recorded.of_type("RandomPassword")} == {
        *(value.name for value in VALUES), "person/ada@example.test",
    }  # fmt: skip
    assert made.values.keys() == {value.name for value in VALUES}
    assert made.passwords.keys() == made.hashes.keys() == {"ada@example.test"}


def test_no_default_provider_is_used() -> None:
    recorded, _ = make()
    assert [item.name for item in recorded.resources if item.type == "pulumi:providers:random"] == ["generated"]
    providers = {item.provider for item in recorded.of_type("RandomPassword")}
    assert [provider.rpartition("pulumi:providers:random::")[2] for provider in providers] == [
        "generated::generated-id"
    ]


def test_without_a_value_to_make_there_is_no_provider() -> None:
    def program() -> None:
        GeneratedSecrets("generated", GeneratedSecretsArgs(values=()))

    recorded = graph.run(program)
    assert [item.type for item in recorded.resources] == ["proof:kubeflow:GeneratedSecrets"]


def test_values_are_letters_and_digits() -> None:
    recorded, _ = make(1, "ada@example.test")
    for item in recorded.of_type("RandomPassword"):
        assert item.inputs["special"] is False
        assert item.inputs["length"] >= 20


def test_a_rotation_changes_what_can_be_rotated_and_nothing_else() -> None:
    (before, _), (after, _) = make(1, "ada@example.test"), make(2, "ada@example.test")
    first = {item.name: item.inputs for item in before.of_type("RandomPassword")}
    second = {item.name: item.inputs for item in after.of_type("RandomPassword")}
    assert {name for name in first if first[name] != second[name]} == {
        *(value.name for value in VALUES if value.rotates), "person/ada@example.test",
    }  # fmt: skip


def test_values_are_secret_from_their_birth_to_the_object_that_holds_them() -> None:
    found: list[bool] = []

    def program() -> None:
        args = GeneratedSecretsArgs(values=VALUES, people=("ada@example.test",))
        made = GeneratedSecrets("generated", args)
        outputs = [*made.values.values(), *made.passwords.values(), *made.hashes.values()]
        for output in outputs:
            pulumi.Output.from_input(output.is_secret()).apply(found.append)

    graph.run(program)
    assert found == [True] * (len(VALUES) + 2)


def test_the_users_of_a_value_get_the_same_one_each_in_its_spelling() -> None:
    def program() -> None:
        values = {name: pulumi.Output.from_input(f"value of {name}") for name in secrets.VALUES}
        for component, name, namespace, content in (
            ("dex", "dex-oidc-client", "auth", {"stringData": {"OIDC_CLIENT_SECRET": "published"}}),
            ("oauth2-proxy", "oauth2-proxy-h675gf55ht", "oauth2-proxy", {"data": {"client-secret": "cHVibGlzaGVk"}}),
        ):
            metadata = {"name": name, "namespace": namespace}
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **content}
            planned = secrets.replaced(own(component, Wave.DATA, body), values, rotation=1)
            KubernetesObject(planned.name, planned.body)

    objects = graph.run(program).objects("Secret")
    assert objects["auth", "dex-oidc-client"]["stringData"] == {"OIDC_CLIENT_SECRET": "value of login-client"}
    assert objects["oauth2-proxy", "oauth2-proxy-h675gf55ht"]["data"] == {
        "client-secret": "dmFsdWUgb2YgbG9naW4tY2xpZW50"
    }

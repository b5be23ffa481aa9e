"""Generated secrets: made once, kept in the state, born secret. Decides neither where they go nor who needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from .install.secrets import Value

_PERSON = 24  # characters of a person's password: 142 bits, and short enough to be typed


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratedSecretsArgs:
    """What is made. All plain, for it decides which resources exist."""

    values: tuple[Value, ...]
    people: tuple[str, ...] = ()  # e-mail addresses of those who log in with a password of the platform
    rotation: int = 1


class GeneratedSecrets(pulumi.ComponentResource):
    """One resource a value. Nothing but another rotation, or its removal, ever makes another value."""

    values: Mapping[str, pulumi.Output[str]]
    passwords: Mapping[str, pulumi.Output[str]]  # of people, by e-mail address
    hashes: Mapping[str, pulumi.Output[str]]  # their bcrypt hashes

    def __init__(self, name: str, args: GeneratedSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        made = [value.name for value in args.values]  # `values` is what the component gives back
        props = {"made": made, "people": list(args.people), "rotation": args.rotation}
        super().__init__("proof:kubeflow:GeneratedSecrets", name, props, opts)
        if made or args.people:  # stacks refuse default providers, and each provider is a plugin that the engine starts
            self._provider = random.Provider(name, opts=pulumi.ResourceOptions(parent=self))
        self.values = {
            value.name: pulumi.Output.secret(
                self._made(value.name, value.length, args.rotation if value.rotates else None).result
            )
            for value in args.values
        }
        people = {person: self._made(f"person/{person}", _PERSON, args.rotation) for person in args.people}
        self.passwords = {person: pulumi.Output.secret(made.result) for person, made in people.items()}
        self.hashes = {person: pulumi.Output.secret(made.bcrypt_hash) for person, made in people.items()}
        self.register_outputs({})

    def _made(self, name: str, length: int, rotation: int | None) -> random.RandomPassword:
        """Letters and digits only: safe in a shell, in the address of a database, and as base64."""
        options = pulumi.ResourceOptions(
            parent=self,
            provider=self._provider,
            additional_secret_outputs=["result", "bcryptHash"],
            ignore_changes=["length"],  # what a database keeps must not change with a table of ours
        )
        keepers = None if rotation is None else {"rotation": str(rotation)}
        return random.RandomPassword(name, length=length, special=False, keepers=keepers, opts=options)

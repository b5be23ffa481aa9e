"""The resources of package `random`, made from the operating system's randomness as the official plugin does."""

from __future__ import annotations

import base64
import random
import secrets
import string
import uuid
from typing import Any

import bcrypt

from rehearsal.cloud_provider.wire import Object

_SPECIAL = "!@#$%&*()-_=+[]{}<>:?"  # the official plugin's own choice
_NO_ID = "none"  # where the id would give a secret away
_BCRYPT_LONGEST = 72
_CLASSES = {
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "numeric": string.digits,
    "special": _SPECIAL,
}
_ADJECTIVES = ("able", "bold", "calm", "eager", "fair", "glad", "keen", "kind", "merry", "neat", "proud", "quick")
_NOUNS = ("badger", "crane", "dingo", "eagle", "ferret", "gecko", "heron", "ibex", "koala", "lemur", "otter", "stoat")


def _text(inputs: Object) -> Object:
    """A text of the classes of characters that are wanted, with the least number of each."""
    settings: Object = {}
    for name in _CLASSES:
        wanted = inputs.get(name)
        if name == "numeric" and wanted is None:
            wanted = inputs.get("number")  # its old name
        settings[name] = True if wanted is None else wanted
        least = f"min{name.title()}"
        settings[least] = int(inputs.get(least) or 0)
    classes = _CLASSES | {"special": inputs.get("overrideSpecial") or _SPECIAL}
    alphabet = "".join(characters for name, characters in classes.items() if settings[name])
    length = int(inputs["length"])
    characters = [secrets.choice(classes[name]) for name in classes for _ in range(settings[f"min{name.title()}"])]
    if len(characters) > length or (length and not alphabet):
        raise ValueError(f"length {length} is too short for the least numbers of characters, or no class is allowed")
    characters += [secrets.choice(alphabet) for _ in range(length - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return {**inputs, **settings, "number": settings["numeric"], "result": "".join(characters)}


def _password(inputs: Object) -> tuple[str, Object]:
    outputs = _text(inputs)
    digest = bcrypt.hashpw(outputs["result"].encode()[:_BCRYPT_LONGEST], bcrypt.gensalt(10))
    return _NO_ID, {**outputs, "bcryptHash": digest.decode()}


def _string(inputs: Object) -> tuple[str, Object]:
    outputs = _text(inputs)
    return outputs["result"], outputs


def _bytes(inputs: Object) -> tuple[str, Object]:
    made = secrets.token_bytes(int(inputs["length"]))
    return _NO_ID, {**inputs, "base64": base64.b64encode(made).decode(), "hex": made.hex()}


def _id(inputs: Object) -> tuple[str, Object]:
    made, prefix = secrets.token_bytes(int(inputs["byteLength"])), inputs.get("prefix") or ""
    url = base64.urlsafe_b64encode(made).decode().rstrip("=")
    outputs = {
        "b64Std": prefix + base64.b64encode(made).decode(),
        "b64Url": prefix + url,
        "dec": prefix + str(int.from_bytes(made)),
        "hex": prefix + made.hex(),
    }
    return url, {**inputs, **outputs}


def _seeded(inputs: Object) -> random.Random:
    """The operating system's randomness, or what a seed gives."""
    return random.Random(inputs["seed"]) if inputs.get("seed") else secrets.SystemRandom()  # noqa: S311 - as asked for


def _integer(inputs: Object) -> tuple[str, Object]:
    made = _seeded(inputs).randint(int(inputs["min"]), int(inputs["max"]))
    return str(made), {**inputs, "result": made}


def _shuffle(inputs: Object) -> tuple[str, Object]:
    given: list[Any] = list(inputs["inputs"])
    _seeded(inputs).shuffle(given)
    return "-", {**inputs, "results": given[: int(inputs.get("resultCount") or len(given))]}


def _pet(inputs: Object) -> tuple[str, Object]:
    length, separator = int(inputs.get("length") or 2), inputs.get("separator") or "-"
    words = [secrets.choice(_ADJECTIVES) for _ in range(length - 1)] + [secrets.choice(_NOUNS)]
    made = separator.join([*([inputs["prefix"]] if inputs.get("prefix") else []), *words])
    return made, {**inputs, "length": length, "separator": separator}


def _uuid(inputs: Object) -> tuple[str, Object]:
    made = str(uuid.uuid4())
    return made, {**inputs, "result": made}


MAKERS = {
    "random:index/randomBytes:RandomBytes": _bytes,
    "random:index/randomId:RandomId": _id,
    "random:index/randomInteger:RandomInteger": _integer,
    "random:index/randomPassword:RandomPassword": _password,
    "random:index/randomPet:RandomPet": _pet,
    "random:index/randomShuffle:RandomShuffle": _shuffle,
    "random:index/randomString:RandomString": _string,
    "random:index/randomUuid:RandomUuid": _uuid,
    "random:index/randomUuid4:RandomUuid4": _uuid,
}

"""One package as its SDK, our tables and our rules describe it. Holds no state of a run and talks to nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rehearsal.cloud_provider.checks import Failure, check
from rehearsal.cloud_provider.inventing import merged
from rehearsal.cloud_provider.metadata import Sdk
from rehearsal.cloud_provider.real import makers
from rehearsal.cloud_provider.rules import rules
from rehearsal.cloud_provider.tables import EVERYWHERE, table
from rehearsal.cloud_provider.wire import Object, is_list, is_map, is_secret, plain

_OF_THE_ENGINE = frozenset({"version", "pluginDownloadURL"})


def _kind(token: str) -> str:
    kind = token.rsplit(":", 1)[1]
    return kind[:1].lower() + kind[1:]


class Package:
    """Checks and comparisons for one package."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.table, self.rules, self.makers = table(name), rules(name), makers(name)
        self.sdk = Sdk(name, self.table.extra_enum_values)

    def check(self, token: str, inputs: Mapping[str, Any]) -> list[Failure]:
        """Every way in which the inputs of a resource break its types or the cloud's own rules."""
        failures = check(self.sdk, self.sdk.resource(token).takes, inputs)
        known = {failure.path for failure in failures}
        return failures + [one for one in self.rules.failures(token, inputs) if one.path not in known]

    def check_config(self, news: Mapping[str, Any]) -> list[Failure]:
        """The same for the provider's options; the engine hands over all but texts as JSON."""
        takes = self.sdk.resource(f"pulumi:providers:{self.name}").takes
        given: Object = {name: value for name, value in news.items() if name not in _OF_THE_ENGINE}
        for name in given.keys() & takes.props.keys():
            text = plain(given[name])
            if isinstance(text, str) and takes.props[name].scalar != "str":
                try:
                    given[name] = json.loads(text)
                except ValueError:
                    continue  # then it is a text, and the check says so
        return check(self.sdk, takes, given, hidden=any(map(is_secret, news.values())))

    def check_invoke(self, token: str, args: Mapping[str, Any]) -> list[Failure]:
        """The same for the arguments of a function."""
        return check(self.sdk, self.sdk.function(token).takes, args) + list(self.rules.refused(token, args))

    def auto_named(self, token: str) -> list[str]:
        """Optional texts that a real provider fills in when they are absent."""
        pair = self.sdk.resource(token)
        texts = [name for name, prop in pair.takes.props.items() if not prop.required and prop.scalar == "str"]
        if self.name == "azure-native":  # parts of the path: inputs that are not outputs
            return [name for name in texts if name.endswith("Name") and name not in pair.gives.props]
        return [name for name in texts if name == "name" and self.name not in {"random", "tls"}]

    def forces_new(self, token: str) -> frozenset[str]:
        """Paths of inputs whose change replaces the resource."""
        props = self.sdk.resource(token).takes.props
        forced = self.table.force_new
        named = EVERYWHERE | forced.get("*", frozenset()) | forced.get(token, frozenset())
        everything = props.keys() if "*" in named else named
        known = {path for path in everything if path.partition(".")[0] in props}
        documented = {name for name, prop in props.items() if prop.forces_new}
        return frozenset(known | documented) - self.table.in_place.get(token, frozenset())

    def keeps_its_name(self, token: str, new: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
        """Whether a replacement would bear the name of the old one: two cannot bear one chosen name."""
        for name in ("name", f"{_kind(token)}Name", *(self.auto_named(token) if self.name == "azure-native" else ())):
            if name in new and name not in new.get("__defaults", ()) and name not in changed:
                return True
        return False

    def followed(self, token: str, before: Object, news: Object) -> list[str]:
        """Outputs that a changed input makes new."""
        follows = self.table.follows.get(token, {})
        return [output for output, source in follows.items() if plain(before.get(source)) != plain(news.get(source))]

    def updated(self, token: str, olds: Object, before: Object, news: Object) -> Object:
        """The properties after an update: the new inputs, and of the old ones what was no input."""
        takes = self.sdk.resource(token).takes.props
        kept = {name: value for name, value in olds.items() if name not in takes or name not in before}
        given = {name: merged(value, _added(olds.get(name), before.get(name))) for name, value in news.items()}
        return {**kept, **given}


def _added(after: Any, before: Any) -> Any:
    """What the cloud has added to an object that was given to it."""
    if is_map(after) and is_list(before):
        return after
    if not (is_map(after) and is_map(before)) or is_secret(after) or is_secret(before):
        return None
    inner = {name: _added(after[name], before[name]) for name in after.keys() & before.keys()}
    added: Object = {name: value for name, value in after.items() if name not in before}
    return added | {name: value for name, value in inner.items() if value}

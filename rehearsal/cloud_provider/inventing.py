"""Invents identifiers, outputs and answers from tables, always the same for the same inputs. Makes nothing real."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from rehearsal.cloud_provider.metadata import Pair
from rehearsal.cloud_provider.tables import Table
from rehearsal.cloud_provider.wire import UNKNOWN, Object, is_list, is_map, is_secret, plain

ENDPOINT = "KUBEFLOW_PROOF_REHEARSAL_ENDPOINT"
AUTHORITY_FILE = "KUBEFLOW_PROOF_REHEARSAL_CA"
_DEFAULT_ENDPOINT = "127.0.0.1:6443"
_PARENT_NAMES = frozenset({"resourceGroupName", "clusterName", "virtualNetworkName"})  # they name something else
_BLANK = {"int": 0, "float": 0, "bool": False}


def fill(template: Any, names: Mapping[str, Any]) -> Any:
    """A table's value with its templates filled in."""
    if isinstance(template, str):
        return Template(template).safe_substitute(names)
    if is_list(template):
        return [fill(item, names) for item in template]
    if is_map(template) and "$base64" in template:
        return base64.b64encode(fill(template["$base64"], names).encode()).decode()
    return {key: fill(value, names) for key, value in template.items()} if is_map(template) else template


def merged(given: Any, canned: Any) -> Any:
    """The given value, completed by what a cloud would add to it."""
    if is_map(given) and is_map(canned) and not (is_secret(given) or is_secret(canned)):
        return {**canned, **{key: merged(value, canned.get(key)) for key, value in given.items()}}
    if is_list(given) and is_map(canned):  # identities of a managed cluster: a list of ids in, a map of them out
        nothing: Object = {}
        other = next(iter(canned.values()), nothing)
        return {item: canned.get(item, other) for item in given}
    return canned if given is None else given


def _unknown(canned: Any) -> Any:
    """The shape of a canned value in a preview."""
    return {key: _unknown(value) for key, value in canned.items()} if is_map(canned) else UNKNOWN


def api_server() -> dict[str, str]:
    """Where the invented cluster can be reached: a real API server, if the environment names one."""
    host, _, port = os.environ.get(ENDPOINT, _DEFAULT_ENDPOINT).rpartition(":")
    file = os.environ.get(AUTHORITY_FILE)
    pem = Path(file).read_bytes() if file else b"-----BEGIN CERTIFICATE-----\nc3RhbmQtaW4=\n-----END CERTIFICATE-----\n"
    return {
        "endpoint_host": host,
        "endpoint_port": port,
        "endpoint": f"{host}:{port}",
        "server": f"https://{host}:{port}",
        "ca": base64.b64encode(pem).decode(),
        "ca_pem": pem.decode(),
    }


class Inventor:
    """Answers for one package with one configuration."""

    def __init__(self, table: Table, config: Mapping[str, Any]) -> None:
        self.table = table
        self._config = {name: text for name, text in config.items() if isinstance(text, str)}

    def names(self, token: str, urn: str, inputs: Mapping[str, Any]) -> Object:
        """What templates may refer to; secrets are not among it."""
        shown = {name: value for name, value in inputs.items() if isinstance(value, str | int | float)}
        seed = hashlib.sha256((urn + token + json.dumps(plain(inputs), sort_keys=True)).encode()).hexdigest()
        module, kind = token.split(":")[1].partition("/")[0], token.rsplit(":", 1)[1]
        kind = kind[:1].lower() + kind[1:]
        own = [
            shown[name]
            for name in ("name", f"{kind}Name", *shown)
            if name.lower().endswith("name") and name in shown and name not in _PARENT_NAMES
        ]
        return {
            **self.table.defaults,
            **self._config,
            **api_server(),
            **{name: value for name, value in shown.items() if name != "name"},
            "name": (own or [urn.rsplit("::", 1)[-1]])[0],
            "type": token,
            "kind": kind,
            "module": module,
            "Module": module[:1].upper() + module[1:],
            "h8": seed[:8],
            "h17": seed[:17],
            "h32": seed[:32],
            "octet": int(seed[:2], 16) % 200 + 20,
        }

    def resource(
        self, token: str, urn: str, inputs: Mapping[str, Any], pair: Pair, *, preview: bool
    ) -> tuple[str, Object]:
        """The id and all properties of a resource with these inputs."""
        names = self.names(token, urn, inputs)
        names["id"] = fill(self.table.ids.get(token, self.table.default_id), names)
        known = {**self.table.common, **self.table.outputs.get(token, {})}
        outputs = dict(inputs)
        for name, prop in pair.gives.props.items():
            given = inputs.get(name)
            if name in known and (given is None or is_map(given)):
                canned = fill(known[name], names)
                outputs[name] = merged(given, _unknown(canned) if preview else canned)
            elif given is None and name not in pair.takes.props:
                value = UNKNOWN if preview else self._blank(name, prop.scalar, prop.type, names)
                if value is not None:
                    outputs[name] = value
        return names["id"], outputs

    def _blank(self, name: str, scalar: str, kind: ast.expr, names: Mapping[str, Any]) -> Any:
        """A value of a type that no table describes; objects stay absent."""
        if scalar:
            return _BLANK.get(scalar, f"{name}-{names['h8']}")
        text = ast.unparse(kind).removeprefix("pulumi.Output[")
        return [] if text.startswith("Sequence[") else {} if text.startswith("Mapping[") else None

    def answer(self, token: str, args: Mapping[str, Any]) -> Object | None:
        """The answer of an invoke, None if no table has one."""
        canned = self.table.invokes.get(token)
        return None if canned is None else {**args, **fill(canned, self.names(token, "", args))}

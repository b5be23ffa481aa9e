"""What a stand-in answers beyond what the SDKs say: identifiers, outputs, invokes, what replaces. Data only.

Texts are `string.Template`s over the resource's plain scalar inputs and these names: name, type, kind, module, Module,
id, h8/h17/h32 (hexadecimal digests of urn and inputs), octet, ca and server (of the rehearsal's API server), and the
table's `defaults`. `{"$base64": text}` is the text in base64.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Texts = Mapping[str, str]
Values = Mapping[str, Any]

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: ${name}
clusters: [{name: ${name}, cluster: {server: '${server}', certificate-authority-data: ${ca}}}]
contexts: [{name: ${name}, context: {cluster: ${name}, user: ${name}}}]
users: [{name: ${name}, user: {token: ${h32}}}]
"""

EVERYWHERE = frozenset(
    {
        "name", "location", "region", "zone", "project", "cidrBlock", "ipCidrRange", "vpcId", "networkId",
        "availabilityZone", "zoneId", "resourceGroupName", "clusterName", "resourceName", "agentPoolName",
    }
)  # fmt: skip


def _none() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One package."""

    default_id: str
    defaults: Texts = field(default_factory=dict[str, str])
    ids: Texts = field(default_factory=dict[str, str])
    common: Values = field(default_factory=dict[str, Any])  # outputs of every type that has such a property
    outputs: Mapping[str, Values] = field(default_factory=dict[str, Values])
    # Paths of inputs whose change replaces, besides those whose documentation says so, by type ("*": every type).
    force_new: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    in_place: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])  # exceptions to it
    # By type: outputs that are new after a change of an input, and unknown in its preview: output -> input.
    follows: Mapping[str, Texts] = field(default_factory=dict[str, Texts])
    config_force_new: frozenset[str] = field(default_factory=_none)  # the same of the provider itself
    invokes: Mapping[str, Values] = field(default_factory=dict[str, Values])
    extra_enum_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def table(package: str) -> Table:
    """The table of a package; only its module is loaded."""
    return importlib.import_module(f"{__name__}.{package.replace('-', '_')}").TABLE

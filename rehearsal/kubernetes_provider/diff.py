"""What changes, and what replaces an object, by the rules of pulumi-kubernetes 4.32.0. Asks no server.

The live object of the last operation, cut to the shape of the old inputs, is compared with the new inputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rehearsal.kubernetes_provider.values import kind_of, quantity
from rehearsal.kubernetes_provider.wire import MISSING, Object, is_list, is_map, item

Path = tuple[str | int, ...]
Change = tuple[str, Any]  # ADD, UPDATE or DELETE, and the new value

QUANTITIES = frozenset({"requests", "limits", "allocatable", "capacity", "hard", "min", "max", "default"})


def differences(new: Any, old: Any, shape: Any, *, typed: bool, path: Path = ()) -> dict[Path, Change]:
    """What changes from `old` (live, pruned) to `new`, by path."""
    if new is MISSING or (new is None and old is not None):
        return {path: ("DELETE", None)}
    if old is MISSING:  # a field the server dropped when it was applied is no difference while it stays the same
        return {} if typed and new == shape else {path: ("ADD", new)}
    keys: list[str | int]
    if is_map(new) and is_map(old):
        keys = [*new, *(name for name in old if name not in new)]
    elif is_list(new) and is_list(old):
        keys = [*range(max(len(new), len(old)))]
    else:
        return {} if _same(new, old, typed=typed, path=path) else {path: ("UPDATE", new)}
    found: dict[Path, Change] = {}
    for key in keys:
        found |= differences(item(new, key), item(old, key), item(shape, key), typed=typed, path=(*path, key))
    return found


def _same(new: Any, old: Any, *, typed: bool, path: Path) -> bool:
    if new == old and isinstance(new, bool) == isinstance(old, bool):
        return True
    size = quantity(new)
    return typed and bool(QUANTITIES & set(path)) and size is not None and size == quantity(old)


def _under(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names.split())


_CONTAINER = (
    "args command env image imagePullPolicy lifecycle livenessProbe ports readinessProbe resources securityContext "
    "stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir"
)
REPLACE: dict[str, tuple[str, ...]] = {  # fields whose change replaces an object, by kind
    "apps/v1/DaemonSet": ("spec.selector",),
    "apps/v1/Deployment": ("spec.selector",),
    "apps/v1/StatefulSet": _under(
        "spec", "selector podManagementPolicy revisionHistoryLimit serviceName volumeClaimTemplates"
    ),
    "batch/v1/Job": _under("spec", "selector completions parallelism template"),
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": ("roleRef",),
    "rbac.authorization.k8s.io/v1/RoleBinding": ("roleRef",),
    "storage.k8s.io/v1/StorageClass": ("parameters", "provisioner"),
    "v1/ResourceQuota": ("spec.scopes",),
    "v1/PersistentVolume": _under(
        "spec",
        "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs "
        "hostPath iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume",
    ),
    "v1/PersistentVolumeClaim": _under("spec", "selector accessModes storageClassName volumeName"),
    "v1/Pod": (
        *_under(
            "spec",
            "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC "
            "hostNetwork hostPID hostname imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority "
            "priorityClassName readinessGates restartPolicy runtimeClassName schedulerName securityContext "
            "serviceAccount serviceAccountName shareProcessNamespace subdomain terminationGracePeriodSeconds volumes",
        ),
        *_under("spec.containers.*", _CONTAINER),
        *_under("spec.initContainers.*", _CONTAINER),
    ),
    "v1/Secret": ("type",),
    "v1/Service": ("spec.clusterIP",),
}
CONTENT = {"v1/Secret": ("stringData", "data"), "v1/ConfigMap": ("binaryData", "data")}


def replace_fields(obj: Object, mutable: Callable[[str], bool]) -> list[tuple[str, ...]]:
    """Fields whose change replaces this object; a Secret's or ConfigMap's content too unless its kind is mutable."""
    kind = kind_of(obj)
    content = CONTENT.get(kind, ())
    fixed = content if obj.get("immutable") or (content and not mutable(obj["kind"])) else ()
    return [
        tuple(field.split(".")) for field in ("metadata.name", "metadata.namespace", *REPLACE.get(kind, ()), *fixed)
    ]


def touches(path: Path, value: Any, field: Path) -> bool:
    """Whether a change at `path` to `value` is at, below or around a field."""
    for part in field[len(path) :]:
        value = item(value, 0 if part == "*" else part)
    same = all(part in ("*", name) for part, name in zip(field, path, strict=False))
    return same and (len(path) >= len(field) or value is not MISSING)


def show(path: Path) -> str:
    """A path as the engine writes it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.search(r'[."\[\]]', part):
            text += '["' + part.replace('"', '\\"') + '"]'
        else:
            text += "." + part
    return text.removeprefix(".")


def parse_path(text: str) -> Path:
    """Parts of a path of `ignoreChanges`; `*` stands for any."""
    parts = re.findall(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\[?(\*)\]?|([^.\[\]"]+)', text)
    return tuple(
        int(index) if index else quoted.replace('\\"', '"') or star or name for quoted, index, star, name in parts
    )

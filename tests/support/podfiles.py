"""What a kubelet prepares for a pod before its containers start: files of its volumes, and values of its environment.

Reads ConfigMaps, Secrets, claims and tokens from the API server. Knows no process.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cluster import Api, Object
from tests.support.sandbox import Mount

_TOKEN_SECONDS = 3600
_VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class NotYetError(Exception):
    """Something that the pod names is not there (yet); the message is what a kubelet would say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """One pod and the place where its files lie."""

    body: Object
    folder: Path
    address: str

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.body["metadata"]["namespace"]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.body["metadata"]["name"]

    def field(self, path: str) -> str:
        """What the downward API says about it."""
        label = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
        if label:
            return str(self.body["metadata"].get(label[1], {}).get(label[2], ""))
        if path in {"status.podIP", "status.podIPs", "status.hostIP"}:
            return self.address
        value: Any = self.body
        for key in path.split("."):
            value = value.get(key, "")
        return str(value)


class Volumes:
    """The volumes of one pod; claims are folders that outlive it."""

    def __init__(self, api: Api, pod: Pod, claims: Callable[[str, str], Path]) -> None:
        self._api, self._pod, self._claims = api, pod, claims
        self._made: dict[str, Path] = {}

    def mounts(self, container: Object) -> list[Mount]:
        """Where a container sees them."""
        return [self._mount(one) for one in container.get("volumeMounts", [])]

    def environment(self, container: Object) -> dict[str, str]:
        """The container's variables, with references to others replaced."""
        values: dict[str, str] = {}
        for source in container.get("envFrom", []):
            for kind in ("configMapRef", "secretRef"):
                if kind in source:
                    found = self._data(_KINDS[kind], source[kind]["name"], optional=source[kind].get("optional", False))
                    values |= {source.get("prefix", "") + key: value.decode() for key, value in found.items()}
        for one in container.get("env", []):
            values[one["name"]] = expanded(one.get("value", ""), values) if "valueFrom" not in one else self._from(one)
        return values

    def _from(self, variable: Object) -> str:
        source = variable["valueFrom"]
        if "fieldRef" in source:
            return self._pod.field(source["fieldRef"]["fieldPath"])
        for kind in ("configMapKeyRef", "secretKeyRef"):
            if kind in source:
                optional = source[kind].get("optional", False)
                found = self._data(_KINDS[kind], source[kind]["name"], optional=optional)
                if source[kind]["key"] not in found and not optional:
                    raise NotYetError(f"couldn't find key {source[kind]['key']} in {source[kind]['name']}")
                return found.get(source[kind]["key"], b"").decode()
        raise NotYetError(f"variable {variable['name']}: the stand-in for a container runtime reads no {list(source)}")

    def _mount(self, mount: Object) -> Mount:
        name = mount["name"]
        volume = next(one for one in self._pod.body["spec"]["volumes"] if one["name"] == name)
        if name not in self._made:
            self._made[name] = self._make(volume)
        source = self._made[name] / mount.get("subPath", "")
        if "subPath" in mount and not source.exists():
            source.mkdir(parents=True)
        fixed = {"configMap", "secret", "projected", "downwardAPI"} & set(volume)
        return Mount(source=source, path=mount["mountPath"], read_only=bool(fixed) or mount.get("readOnly", False))

    def _make(self, volume: Object) -> Path:
        if "persistentVolumeClaim" in volume or "ephemeral" in volume:
            name = volume.get("persistentVolumeClaim", {}).get("claimName") or f"{self._pod.name}-{volume['name']}"
            return self._claims(self._pod.namespace, name)
        place = self._pod.folder / "volumes" / volume["name"]
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o777)
        if "emptyDir" not in volume:
            _write(place, self._files(volume))
        return place

    def _files(self, volume: Object) -> Mapping[str, bytes]:
        if "projected" in volume:
            files: dict[str, bytes] = {}
            for source in volume["projected"]["sources"]:
                files |= self._files(source)
            return files
        if "configMap" in volume:
            return self._selected("configmaps", volume["configMap"], volume["configMap"].get("name"))
        if "secret" in volume:
            name = volume["secret"].get("secretName") or volume["secret"].get("name")
            return self._selected("secrets", volume["secret"], name)
        if "downwardAPI" in volume:
            items = volume["downwardAPI"]["items"]
            return {one["path"]: self._pod.field(one["fieldRef"]["fieldPath"]).encode() for one in items}
        if "serviceAccountToken" in volume:
            return {volume["serviceAccountToken"]["path"]: self._token(volume["serviceAccountToken"])}
        raise NotYetError(f"the stand-in for a container runtime knows no volume of this kind: {volume}")

    def _selected(self, plural: str, source: Object, name: str) -> Mapping[str, bytes]:
        data = self._data(plural, name, optional=source.get("optional", False))
        items = source.get("items")
        return {one["path"]: data[one["key"]] for one in items if one["key"] in data} if items else data

    def _data(self, plural: str, name: str, *, optional: bool) -> dict[str, bytes]:
        body = self._api.get(f"/api/v1/namespaces/{self._pod.namespace}/{plural}/{name}")
        if body is None:
            if optional:
                return {}
            raise NotYetError(f'{plural.removesuffix("s")} "{name}" not found')
        texts: Mapping[str, str] = body.get("data") or {}
        encoded: Mapping[str, str] = texts if plural == "secrets" else body.get("binaryData") or {}
        found = {key: base64.b64decode(value) for key, value in encoded.items()}
        return found if plural == "secrets" else {**found, **{key: value.encode() for key, value in texts.items()}}

    def _token(self, wanted: Object) -> bytes:
        account = self._pod.body["spec"].get("serviceAccountName", "default")
        path = f"/api/v1/namespaces/{self._pod.namespace}/serviceaccounts/{account}/token"
        audiences = [wanted["audience"]] if "audience" in wanted else None
        bound = {"apiVersion": "v1", "kind": "Pod", "name": self._pod.name, "uid": self._pod.body["metadata"]["uid"]}
        spec = {"expirationSeconds": _TOKEN_SECONDS, "audiences": audiences, "boundObjectRef": bound}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        made = self._api.call("POST", path, body)
        if made is None:
            raise NotYetError(f'serviceaccount "{account}" not found')
        return made["status"]["token"].encode()


_KINDS = {
    "configMapRef": "configmaps",
    "configMapKeyRef": "configmaps",
    "secretRef": "secrets",
    "secretKeyRef": "secrets",
}


def expanded(text: str, values: Mapping[str, str]) -> str:
    """A text with `$(NAME)` replaced where the variable is known."""
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def words(parts: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """A command with `$(NAME)` replaced."""
    return [expanded(one, values) for one in parts]


def _write(place: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

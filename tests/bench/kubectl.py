"""The yardstick: the same objects through kubectl, in the same waves, with waits for the same conditions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from kubeflow.distribution import cache
from kubeflow.distribution.table import CURRENT
from kubeflow.install import definitions
from tests.support.product import Product

Object = dict[str, Any]
_SECRET = "4dabf18193072939515e22adb298388d"


class Kubectl:
    """kubectl against one control plane."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        program = shutil.which("kubectl")
        if program is None:
            raise RuntimeError("kubectl is missing: it is the yardstick")
        self._command, self._folder = [program, "--kubeconfig", str(kubeconfig)], folder

    def run(self, *arguments: str) -> None:
        """Run it; a difference is a result, not a failure."""
        environment = os.environ | {"KUBECTL_EXTERNAL_DIFF": "diff -q"}
        done = subprocess.run(
            [*self._command, *arguments], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode > ("diff" in arguments):
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}")

    def timed(self, *arguments: str) -> float:
        """How long it takes."""
        begun = time.perf_counter()
        self.run(*arguments)
        return time.perf_counter() - begun

    def install(self, crds: list[Object], waves: list[list[Object]]) -> float:
        """Install in waves and wait after each."""
        files = [self.file(f"wave-{number}", objects) for number, objects in enumerate((crds, *waves))]
        begun = time.perf_counter()
        for number, (file, objects) in enumerate(zip(files, (crds, *waves), strict=True)):
            if objects:
                self.run("apply", "--server-side", "-f", str(file))
            if number == 0 and objects:
                self.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
            if any(item["kind"] == "Deployment" for item in objects):
                self.run("wait", "--for=condition=Available", "deployment", "--all", "-A", "--timeout=120s")
        return time.perf_counter() - begun

    def file(self, name: str, objects: list[Object]) -> Path:
        """Objects as a file, namespaces first."""
        ordered = sorted(objects, key=lambda item: item["kind"] != "Namespace")
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": ordered}), encoding="utf-8")
        return path


def waves_of(product: Product) -> list[list[Object]]:
    """The Kubernetes objects of a finished stack: those before the gates, each gate's, those of tenants."""
    exported = json.loads(product.pulumi("stack", "export", "--show-secrets").ok().text)
    resources: list[Object] = exported["deployment"]["resources"]
    objects = {item["urn"]: cast("Object", _plain(item["inputs"])) for item in _kubernetes(resources)}
    gates = [item for item in resources if item["type"] == "pulumi:index:Stash"]
    gated = [[urn for urn in item.get("dependencies") or () if urn in objects] for item in gates]
    inside = {urn for urns in gated for urn in urns}
    rest = [urn for urn in objects if urn not in inside]
    tenants = [urn for urn in rest if "proof:kubeflow:Tenant$" in urn]
    first = [urn for urn in rest if urn not in set(tenants)]
    return [[objects[urn] for urn in urns] for urns in (first, *gated, tenants)]


def crds(product: Product) -> list[Object]:
    """The definitions that the stack installed."""
    (found,) = [item for item in product.state() if item["urn"].endswith("::crds") and "CrdSet" in item["type"]]
    components: Mapping[str, str] = found["inputs"]["components"]
    return list(definitions.read(cache.directory(CURRENT), components, webhooks=False).values())


def _kubernetes(resources: list[Object]) -> Iterator[Object]:
    yield from (item for item in resources if item["type"].startswith("kubernetes:"))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A value as it was sent: secrets in clear."""
    if isinstance(value, dict):
        known = cast("Object", value)
        if _SECRET in known:
            return json.loads(known["plaintext"])
        return {name: _plain(part) for name, part in known.items()}
    return [_plain(part) for part in cast("list[Any]", value)] if isinstance(value, list) else value

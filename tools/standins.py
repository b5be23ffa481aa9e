"""The stand-ins of `rehearsal/`: in place where an official plugin cannot be had, removed as soon as it is there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from rehearsal.launchers import is_ours
from tools import download
from tools.places import Places, ToolsError
from tools.run import output
from tools.table import DYNAMIC_PROVIDER, KUBERNETES_PLUGIN, KUBERNETES_PLUGIN_VERSION, LANGUAGE_HOST

MEANING = {
    LANGUAGE_HOST: "runs the Python program in place of the language host that an official pulumi brings along",
    KUBERNETES_PLUGIN: "applies Kubernetes objects in place of the official plugin; no Helm, no Kustomize",
}


def official_language_host(places: Places, pulumi: Path, path: str) -> Path | None:
    """The official language host: where the engine will look for it, beside itself and on PATH."""
    candidates = [pulumi.resolve().with_name(LANGUAGE_HOST), places.bin / LANGUAGE_HOST]
    if found := shutil.which(LANGUAGE_HOST, path=path):
        candidates.append(Path(found))
    return next((file for file in candidates if os.access(file, os.X_OK) and not is_ours(file)), None)


def official_plugin(places: Places, pulumi: Path) -> bool:
    """Whether the engine has the official Kubernetes plugin in the pinned version."""
    environment = os.environ | {"PULUMI_HOME": str(places.pulumi_home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    listed = json.loads(output([str(pulumi), "plugin", "ls", "--json"], env=environment) or "[]")
    return any(
        one.get("name") == "kubernetes" and str(one.get("version", "")).lstrip("v") == KUBERNETES_PLUGIN_VERSION
        for one in listed
    )


def in_use(places: Places) -> list[str]:
    """The stand-ins that the engine would run now."""
    return [name for name in MEANING if is_ours(places.bin / name)]


def settle(places: Places, pulumi: Path, path: str) -> None:
    """Install the stand-ins that are needed, and let the others step aside."""
    host = official_language_host(places, pulumi, path) is not None
    _choose(places, (LANGUAGE_HOST, DYNAMIC_PROVIDER), "--language-host", official=host)
    plugin = official_plugin(places, pulumi) or download.kubernetes_plugin(places, pulumi)
    _choose(places, (KUBERNETES_PLUGIN,), "--kubernetes-provider", official=plugin)


def _choose(places: Places, names: tuple[str, ...], option: str, *, official: bool) -> None:
    if official:
        for file in (places.bin / name for name in names):
            if is_ours(file):
                file.unlink()
                print(f"{file.name}: the stand-in stepped aside, the official one is there", flush=True)
        return
    present = is_ours(places.bin / names[0])
    command = [str(places.venv / "bin" / "python"), "-m", "rehearsal", "install", "--bin", str(places.bin), option]
    if output(command, cwd=places.root) is None:
        raise ToolsError(f"installing the stand-in {names[0]} failed; see why with: {' '.join(command)}")
    if not present:
        print(f"{names[0]}: stand-in installed, {MEANING[names[0]]}", flush=True)

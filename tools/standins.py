"""The stand-ins of `rehearsal/`: in place where an official plugin cannot be had, removed as soon as it is there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from rehearsal.launchers import CLOUD_PROVIDERS, is_ours
from tools import download, venv
from tools.places import Places, ToolsError
from tools.run import Progress, follow, output
from tools.table import DYNAMIC_PROVIDER, KUBERNETES_PLUGIN, LANGUAGE_HOST, PLUGIN_HOST, Plugin

_MEANING = {
    LANGUAGE_HOST: "runs the Python program in place of the language host that an official pulumi brings along",
    KUBERNETES_PLUGIN: "applies Kubernetes objects in place of the official plugin; no Helm, no Kustomize",
    "pulumi-resource-random": "makes passwords and names in place of the official plugin",
    "pulumi-resource-tls": "makes keys and certificates in place of the official plugin",
}
_CLOUD = "rehearses in place of the official plugin: checks inputs, invents outputs, makes nothing in any cloud"


def meaning(name: str) -> str:
    """What a stand-in does."""
    return _MEANING.get(name, _CLOUD)


def official_language_host(places: Places, pulumi: Path, path: str) -> Path | None:
    """The official language host: where the engine will look for it, beside itself and on PATH."""
    candidates = [pulumi.resolve().with_name(LANGUAGE_HOST), places.bin / LANGUAGE_HOST]
    if found := shutil.which(LANGUAGE_HOST, path=path):
        candidates.append(Path(found))
    return next((file for file in candidates if os.access(file, os.X_OK) and not is_ours(file)), None)


def official_plugins(places: Places, pulumi: Path) -> frozenset[Plugin]:
    """The plugins that the engine has installed."""
    listed = json.loads(output([str(pulumi), "plugin", "ls", "--json"], env=_environment(places)) or "[]")
    return frozenset(
        Plugin(name=str(one.get("name", "")), version=str(one.get("version", "")).lstrip("v")) for one in listed
    )


def in_use(places: Places) -> list[str]:
    """The stand-ins that the engine would run now."""
    return [name for name in (LANGUAGE_HOST, KUBERNETES_PLUGIN, *CLOUD_PROVIDERS) if is_ours(places.bin / name)]


def settle(places: Places, pulumi: Path, path: str) -> None:
    """Install the stand-ins that are needed, and let the others step aside."""
    host = official_language_host(places, pulumi, path) is not None
    _choose(places, (LANGUAGE_HOST, DYNAMIC_PROVIDER), ("--language-host",), official=host)
    wanted, there = venv.plugins(places), official_plugins(places, pulumi)
    for plugin in wanted:
        official = plugin in there or _download(places, pulumi, plugin)
        kubernetes = plugin.program == KUBERNETES_PLUGIN
        if kubernetes or plugin.program in CLOUD_PROVIDERS:  # for any other package there is no stand-in
            option = ("--kubernetes-provider",) if kubernetes else ("--cloud-providers", plugin.name)
            _choose(places, (plugin.program,), option, official=official)
    for name in CLOUD_PROVIDERS.keys() - {plugin.program for plugin in wanted}:
        if is_ours(places.bin / name):
            (places.bin / name).unlink()  # its SDK has gone


def _environment(places: Places) -> dict[str, str]:
    return os.environ | {"PULUMI_HOME": str(places.pulumi_home), "PULUMI_SKIP_UPDATE_CHECK": "true"}


def _download(places: Places, pulumi: Path, plugin: Plugin) -> bool:
    """Let the engine install an official plugin; False if that did not work."""
    if download.offline() or not download.reachable(PLUGIN_HOST):
        return False
    command = [str(pulumi), "plugin", "install", "resource", plugin.name, plugin.version]
    log = places.logs / f"plugin-{plugin.name}.log"
    with Progress(f"{plugin.name} plugin {plugin.version}, official download"):
        return follow(command, log, _ignore, env=_environment(places)) == 0


def _choose(places: Places, names: tuple[str, ...], option: tuple[str, ...], *, official: bool) -> None:
    if official:
        for file in (places.bin / name for name in names):
            if is_ours(file):
                file.unlink()
                print(f"{file.name}: the stand-in stepped aside, the official one is there", flush=True)
        return
    present = is_ours(places.bin / names[0])
    command = [str(places.venv / "bin" / "python"), "-m", "rehearsal", "install", "--bin", str(places.bin), *option]
    if output(command, cwd=places.root) is None:
        raise ToolsError(f"installing the stand-in {names[0]} failed; see why with: {' '.join(command)}")
    if not present:
        print(f"{names[0]}: stand-in installed, {meaning(names[0])}", flush=True)


def _ignore(_line: str) -> None:
    """Leave the line to the log."""

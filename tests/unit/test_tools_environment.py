"""Variables for the engine: what is set, what of the user's is kept, and the passphrase."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tools import environment
from tools.places import Places, ToolsError


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A checkout whose path has a space and a quote; a user who has never logged in anywhere."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in (
        "PULUMI_BACKEND_URL",
        "PULUMI_CREDENTIALS_PATH",
        "PULUMI_CONFIG_PASSPHRASE",
        "PULUMI_CONFIG_PASSPHRASE_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "it's a checkout"
    root.mkdir()
    return Places(root=root)


def log_in(tmp_path: Path) -> None:
    (tmp_path / "home" / ".pulumi").mkdir(parents=True)
    (tmp_path / "home" / ".pulumi" / "credentials.json").write_text(
        json.dumps({"current": "s3://company"}), encoding="utf-8"
    )


def test_a_shell_reads_the_lines_back_whatever_the_path_holds(places: Places) -> None:
    wanted = environment.variables(places, local=True)
    lines = environment.shell(wanted)
    script = f"{lines}\nenv -0"
    printed = subprocess.run(
        ["/bin/sh", "-c", script], capture_output=True, check=True, env={"PULUMI_CONFIG_PASSPHRASE": "x"}
    )
    seen = dict(entry.split("=", 1) for entry in printed.stdout.decode().split("\0") if entry)
    assert {name: seen.get(name) for name in wanted} == wanted


def test_spaces_in_the_backend_are_encoded(places: Places) -> None:
    assert environment.backend(places).endswith("/it%27s%20a%20checkout/.tools/state")


def test_our_programs_come_first_on_path_and_only_once(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        monkeypatch.setenv("PATH", environment.merged(places, local=False)["PATH"])
    parts = os.environ["PATH"].split(os.pathsep)
    assert parts[:2] == [str(places.bin), str(places.venv / "bin")]
    assert parts.count(str(places.bin)) == 1


def test_a_backend_chosen_by_the_user_is_kept(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://company")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "theirs")
    merged = environment.merged(places, local=False)
    assert (merged["PULUMI_BACKEND_URL"], merged["PULUMI_CONFIG_PASSPHRASE"]) == ("s3://company", "theirs")
    assert not places.passphrase.exists()


def test_a_login_of_the_user_is_kept_although_the_engine_gets_a_home_of_its_own(places: Places, tmp_path: Path) -> None:
    log_in(tmp_path)
    settings = environment.variables(places, local=False)
    assert "PULUMI_BACKEND_URL" not in settings
    assert settings["PULUMI_CREDENTIALS_PATH"] == str(tmp_path / "home" / ".pulumi")


def test_the_local_stack_never_goes_to_the_users_backend(places: Places, tmp_path: Path) -> None:
    log_in(tmp_path)
    assert environment.variables(places, local=True)["PULUMI_BACKEND_URL"] == environment.backend(places)


def test_checkpoints_are_skipped_for_the_local_stack_only(places: Places) -> None:
    assert environment.variables(places, local=True)["PULUMI_SKIP_CHECKPOINTS"] == "true"
    assert "PULUMI_SKIP_CHECKPOINTS" not in environment.variables(places, local=False)


def test_the_kubeconfig_is_never_exported(places: Places) -> None:
    assert "KUBECONFIG" not in environment.variables(places, local=True)


def test_the_passphrase_is_made_once_and_for_the_owner_only(places: Places) -> None:
    environment.variables(places, local=True)
    first = places.passphrase.read_text(encoding="ascii")
    environment.variables(places, local=True)
    assert places.passphrase.read_text(encoding="ascii") == first
    assert len(first) > 30
    assert stat.S_IMODE(places.passphrase.stat().st_mode) == 0o600
    assert [file.name for file in places.tools.iterdir() if "passphrase" in file.name] == ["passphrase"]


def test_a_lost_passphrase_is_told_and_never_replaced(places: Places) -> None:
    stack = places.state / ".pulumi" / "stacks" / "kubeflow-proof" / "local.json"
    stack.parent.mkdir(parents=True)
    stack.write_text("{}", encoding="utf-8")
    with pytest.raises(ToolsError, match=r"is gone.*\(local\)[\s\S]*from a copy[\s\S]*rm -rf"):
        environment.variables(places, local=True)
    assert not places.passphrase.exists()

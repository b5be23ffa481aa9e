"""Stack files: every broken one is refused for exactly its reasons, and a good one is read as the engine reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.contract import Environment
from kubeflow.quantity import Quantity
from stacks.__main__ import main
from stacks.check import FINE, UNREADABLE, WRONG
from stacks.decode import SettingsError
from stacks.load import load, read_stack_file, settings_from
from stacks.settings import ValidationSpec

ROOT = Path(__file__).resolve().parents[2]
BROKEN = sorted((ROOT / "tests" / "data" / "broken").glob("*.yaml"))
EXPECT = "# expect: "
GOOD = """\
config:
  pulumi:disable-default-providers: ["*"]
  aws:region: eu-west-1
  kubeflow-proof:cluster:
    environment: local
    name: ml
    region: on
    version: "1.35"
    pools:
      cpu: &pool {role: cpu, machine: small, min: 2, max: 2}
      system: {<<: *pool, role: system}
      l4: {role: gpu, machine: small, min: 0, max: 0, gpu: {product: NVIDIA-L4, count: 4, memoryMib: 23034}}
    options:
      machines:
        small: {cpu: 0b100, memoryGib: 16}
  kubeflow-proof:platform:
    tenants:
      team-a: {owner: ada@example.com, quota: {cpu: 64, memory: 1.5Ti, configMaps: 7}}
  kubeflow-proof:kubeconfig:
    secure: v1:SENSITIVE
encryptionsalt: v1:abc
"""


def stack_file(folder: Path, text: str = GOOD) -> Path:
    file = folder / "Pulumi.sample.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_a_broken_stack_file_is_refused_for_exactly_its_reasons(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    expected = [line.removeprefix(EXPECT) for line in lines if line.startswith(EXPECT)]
    with pytest.raises(SettingsError) as refusal:
        load(file)
    found = str(refusal.value).splitlines()
    assert len(found) == len(refusal.value.problems)
    for reason in expected:
        matching = [line for line in found if reason in line]
        assert matching, f"no problem says {reason!r}; found {found}"
        found.remove(matching[0])
    assert expected
    assert found == [], "problems that the file does not expect"


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_every_problem_names_the_file_and_none_shows_a_secret(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(file)]) == WRONG
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(f"{file}:") for line in lines)
    assert not any("SENSITIVE" in line or "987654321" in line for line in lines)


def test_there_are_many_broken_stack_files() -> None:
    assert len(BROKEN) >= 40


def test_a_good_stack_file_is_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = stack_file(tmp_path)
    assert main(["check", str(file)]) == FINE
    assert capsys.readouterr().out == f"{file}: ok (environment local, 3 pools, 1 tenant)\n"


@pytest.mark.parametrize("file", sorted((ROOT / "stacks").glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_the_stack_files_of_this_repository_are_ok(file: Path) -> None:
    assert load(file).cluster.name


def test_a_stack_file_is_read_as_the_engine_reads_it(tmp_path: Path) -> None:
    settings = load(stack_file(tmp_path))
    assert settings.cluster.environment is Environment.LOCAL
    assert settings.cluster.region == "on"  # the engine's YAML knows true and false only
    assert settings.cluster.pools["system"].max == 2
    assert settings.cluster.pools["l4"].max == 0
    quota = settings.platform.tenants["team-a"].quota
    assert (quota.cpu, quota.memory, quota.config_maps) == (Quantity("64"), Quantity("1.5Ti"), 7)
    assert settings.validation == ValidationSpec()


def test_the_objects_of_a_stack_file_are_what_settings_are_made_from(tmp_path: Path) -> None:
    file = stack_file(tmp_path)
    objects = read_stack_file(file)
    assert set(objects) == {"cluster", "platform"}
    assert settings_from(objects) == load(file)


def test_a_stack_file_with_a_foreign_key_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="kubeflow-proof:extra: unknown key"):
        read_stack_file(stack_file(tmp_path, GOOD.replace("  aws:region", "  kubeflow-proof:extra")))


def test_a_missing_file_cannot_be_read_and_the_others_are_judged_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing.yaml"
    assert main(["check", str(missing), str(BROKEN[0]), str(stack_file(tmp_path))]) == UNREADABLE
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == f"{missing}: cannot be read: No such file or directory"
    assert second.startswith(f"{BROKEN[0]}:config: missing")
    assert ": ok (" in third


def test_a_file_that_is_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "Pulumi.binary.yaml"
    file.write_bytes(b"config: \xff\xfe")
    assert main(["check", str(file)]) == WRONG
    assert capsys.readouterr().out.startswith(f"{file}:1:1: no YAML: 'utf-8' codec can't decode")


def test_a_file_with_control_characters_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(stack_file(tmp_path, "config: \x07"))]) == WRONG
    assert ":1:1: no YAML: " in capsys.readouterr().out

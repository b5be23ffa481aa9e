"""Sync from rendered data: proof against the lock, readable drift, resume, and the cache that the installer reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kubeflow.distribution import CacheMissingError, cache, load, lock, table
from kubeflow.distribution.__main__ import main
from kubeflow.distribution.source import Component, CrdsOf, Pin, Shipped
from kubeflow.distribution.sync import Outcome, Request, sync

PIN = Pin(repository="https://git.example.invalid/org/repo", tag="v1", commit="0" * 40, licence="Apache-2.0")

ALPHA = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: alpha}
spec: {replicas: 1, template: {spec: {containers: [{name: main, image: "img.example.invalid/web:1"}]}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.invalid}
"""
BETA = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {mode: quiet}\n"


def component(name: str, *, family: str = "", namespace: str | None = None) -> Component:
    source = Shipped(pin=PIN, path="x.yaml")
    return Component(name=name, version="1", source=source, family=family, namespace=namespace)


@dataclass
class Workplace:
    """A release of three components, its rendered data, and everything sync writes."""

    root: Path
    lines: list[str] = field(default_factory=list[str])

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def request(self) -> Request:
        return Request(
            release="test",
            data=self.data,
            folder=self.root / "cache",
            workspace=self.root / "sources",
            tools=self.root / "bin",
            locks=self.root,
        )

    def sync(self, report: Callable[[str], None] | None = None, **options: object) -> tuple[Outcome, ...]:
        self.lines.clear()
        return sync(replace(self.request, **options), report=report or self.lines.append)

    def edit(self, name: str, before: str, after: str) -> None:
        path = self.data / "layer" / f"{name}.yaml"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Lock and data agree; nothing is cached yet."""
    release = (
        component("alpha", family="alpha"),
        component("beta", namespace="beta-system"),
        replace(component("alpha-crds", family="alpha"), source=CrdsOf(component="alpha")),
    )
    monkeypatch.setattr(table, "RELEASES", {"test": release})
    place = Workplace(root=tmp_path)
    (place.data / "layer").mkdir(parents=True)
    (place.data / "layer" / "alpha.yaml").write_text(ALPHA)
    (place.data / "layer" / "beta.yaml").write_text(BETA)
    place.sync(update_lock=True, folder=tmp_path / "elsewhere")
    return place


def states(outcomes: tuple[Outcome, ...]) -> dict[str, str]:
    return {outcome.component: outcome.state for outcome in outcomes}


def test_every_component_is_cached_in_phases(workplace: Workplace) -> None:
    assert states(workplace.sync()) == {"alpha": "synced", "beta": "synced", "alpha-crds": "synced"}
    cached = json.loads((workplace.root / "cache" / "alpha.json").read_text())
    assert [len(cached[phase]) for phase in ("crds", "core", "late")] == [1, 1, 0]
    assert [len(json.loads((workplace.root / "cache" / "alpha-crds.json").read_text())["crds"])] == [1]


def test_progress_is_one_line_per_component_with_elapsed_time(workplace: Workplace) -> None:
    workplace.sync()
    assert len(workplace.lines) == 3
    assert workplace.lines[0].split()[:5] == ["[1/3]", "alpha", "synced", "2", "objects"]
    assert workplace.lines[0].endswith(" s")


def test_a_synced_release_needs_no_source(workplace: Workplace) -> None:
    workplace.sync()
    nowhere = workplace.root / "nowhere"
    assert set(states(workplace.sync(data=nowhere)).values()) == {"cached"}


def test_an_interrupted_sync_goes_on_where_it_stopped(workplace: Workplace) -> None:
    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workplace.sync(report=interrupt)
    assert states(workplace.sync()) == {"alpha": "cached", "beta": "synced", "alpha-crds": "synced"}


def test_a_half_written_or_damaged_cache_file_is_got_again(workplace: Workplace) -> None:
    workplace.sync()
    damaged = workplace.root / "cache" / "beta.json"
    damaged.write_text(damaged.read_text()[:-30])
    (workplace.root / "cache" / "alpha.json").unlink()
    (workplace.root / "cache" / "alpha.json.partial").write_text("{")
    assert states(workplace.sync()) == {"alpha": "synced", "beta": "synced", "alpha-crds": "cached"}


def test_a_cache_that_is_not_as_locked_is_got_again(workplace: Workplace) -> None:
    workplace.sync()
    stale = workplace.root / "cache" / "beta.json"
    stale.write_text(stale.read_text().replace("quiet", "loud"))
    assert states(workplace.sync()) == {"alpha": "cached", "beta": "synced", "alpha-crds": "cached"}


def test_one_changed_byte_names_the_object_and_the_field(workplace: Workplace) -> None:
    workplace.sync()
    workplace.edit("alpha", "web:1", "web:2")
    failed = workplace.sync(refresh=True)[0]
    assert failed.state == "failed"
    assert "not what the lock of release test says" in failed.error
    assert failed.error.splitlines()[1:] == [
        "  ~ apps/v1 Deployment alpha/web",
        '      spec.template.spec.containers[0].image: "img.example.invalid/web:1" -> "img.example.invalid/web:2"',
    ]


def test_one_changed_byte_names_the_object_even_when_nothing_was_ever_cached(workplace: Workplace) -> None:
    workplace.edit("beta", "quiet", "quieT")
    error = workplace.sync()[1].error
    assert "  ~ v1 ConfigMap settings\n" in error
    assert "fields are shown only of objects that are cached as locked" in error


def test_content_that_is_not_locked_never_reaches_the_cache(workplace: Workplace) -> None:
    workplace.sync()
    before = (workplace.root / "cache" / "beta.json").read_bytes()
    workplace.edit("beta", "quiet", "loud")
    workplace.sync(refresh=True)
    assert (workplace.root / "cache" / "beta.json").read_bytes() == before


def test_added_and_removed_objects_are_told_apart(workplace: Workplace) -> None:
    workplace.edit("beta", "name: settings", "name: options")
    lines = workplace.sync()[1].error.splitlines()
    assert lines[1:] == ["  + v1 ConfigMap options", "  - v1 ConfigMap settings"]


def test_a_failure_stops_no_other_component(workplace: Workplace) -> None:
    (workplace.data / "layer" / "alpha.yaml").write_text("- no object\n")
    assert states(workplace.sync()) == {"alpha": "failed", "beta": "synced", "alpha-crds": "failed"}
    errors = [line for line in workplace.lines if line.startswith("error: ")]
    assert "error: alpha: " in errors[0]
    assert "layer/alpha.yaml: document 1: found list" in errors[0]


def test_missing_and_ambiguous_data_are_named(workplace: Workplace) -> None:
    (workplace.data / "layer" / "alpha.yaml").unlink()
    (workplace.data / "beta.yaml").write_text(BETA)
    outcomes = workplace.sync()
    assert "and its folders hold no alpha.yaml" in outcomes[0].error
    assert "more than one beta.yaml: " in outcomes[1].error


def test_updating_the_lock_shows_what_changes_and_accepts_it(workplace: Workplace) -> None:
    workplace.sync()
    workplace.edit("beta", "quiet", "loud")
    workplace.sync(update_lock=True)
    assert 'data.mode: "quiet" -> "loud"' in "\n".join(workplace.lines)
    assert set(states(workplace.sync()).values()) == {"cached"}


def test_a_lock_is_not_updated_from_half_a_release(workplace: Workplace) -> None:
    before = lock.path_of("test", workplace.root).read_bytes()
    workplace.edit("beta", "quiet", "loud")
    (workplace.data / "layer" / "alpha.yaml").unlink()
    workplace.sync(update_lock=True)
    assert lock.path_of("test", workplace.root).read_bytes() == before


def test_a_component_that_was_never_locked_is_refused(workplace: Workplace) -> None:
    lock.path_of("test", workplace.root).unlink()
    assert "not in the lock of release test" in workplace.sync()[0].error


def test_the_installer_gets_phases_and_release_namespace(workplace: Workplace) -> None:
    workplace.sync()
    found = load("test", ["beta", "alpha"], folder=workplace.root / "cache", locks=workplace.root)
    assert list(found.components) == ["alpha", "beta"]
    assert found.components["beta"].namespace == "beta-system"
    assert [body["kind"] for body in found.components["alpha"].crds] == ["CustomResourceDefinition"]
    assert found.components["alpha"].core[0]["spec"]["replicas"] == 1


def test_missing_and_stale_components_are_named_with_the_command_to_run(workplace: Workplace) -> None:
    workplace.sync(names=("alpha",))
    path = workplace.root / "cache" / "alpha.json"
    path.write_text(path.read_text().replace("web:1", "web:9"))
    with pytest.raises(CacheMissingError) as caught:
        load("test", ["alpha", "beta"], folder=workplace.root / "cache", locks=workplace.root)
    assert caught.value.components == ("alpha", "beta")
    assert "alpha: cached with SHA-256 " in str(caught.value)
    assert "beta: not cached" in str(caught.value)
    assert str(caught.value).endswith("To get it, run: python -m kubeflow.distribution sync")


def test_two_variants_of_one_component_are_refused(workplace: Workplace) -> None:
    workplace.sync()
    with pytest.raises(cache.VariantError, match="alpha: alpha, alpha-crds"):
        load("test", ["alpha", "alpha-crds"], folder=workplace.root / "cache", locks=workplace.root)


def test_an_unknown_component_is_answered_with_the_known_ones(workplace: Workplace) -> None:
    with pytest.raises(table.UnknownNameError, match="no component named gamma; known components: alpha, beta"):
        workplace.sync(names=("gamma",))


def test_a_damaged_lock_is_named(workplace: Workplace) -> None:
    lock.path_of("test", workplace.root).write_text('{"release": "test"}')
    with pytest.raises(lock.LockError, match=r"test\.lock\.json: not a lock: KeyError"):
        workplace.sync()


def test_diff_compares_data_and_cache_by_object(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    workplace.sync(names=("alpha", "beta"))
    assert main(["diff", str(workplace.root / "cache"), str(workplace.data)]) == 0
    assert capsys.readouterr().out == "no difference\n"
    workplace.edit("alpha", "replicas: 1", "replicas: true")
    workplace.edit("beta", "mode: quiet", "a.b/c: x")
    assert main(["diff", str(workplace.root / "cache"), str(workplace.data)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "alpha: 1 objects differ",
        "  ~ apps/v1 Deployment alpha/web",
        "      spec.replicas: 1 -> true",
        "beta: 1 objects differ",
        "  ~ v1 ConfigMap settings",
        '      data[a.b/c]: added "x"',
        '      data.mode: removed "quiet"',
    ]


def test_diff_says_which_side_lacks_a_component(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    workplace.sync(names=("alpha",))
    assert main(["diff", str(workplace.root / "cache"), str(workplace.data)]) == 1
    assert capsys.readouterr().out == f"beta: only in {workplace.data} (1 objects)\n"


def test_a_long_diff_is_cut(workplace: Workplace) -> None:
    many = "---\n".join(BETA.replace("settings", f"settings-{number:03}") for number in range(60))
    (workplace.data / "layer" / "beta.yaml").write_text(many)
    lines = workplace.sync()[1].error.splitlines()
    assert len(lines) == 42
    assert lines[-1] == "  … and 21 more objects"


def test_of_a_long_text_the_changed_place_is_shown(workplace: Workplace) -> None:
    workplace.edit("beta", "mode: quiet", f"mode: {'a' * 200}b{'c' * 200}")
    workplace.sync(update_lock=True)
    workplace.edit("beta", "ab", "aX")
    (line,) = (line for line in workplace.sync(refresh=True)[1].error.splitlines() if "data.mode" in line)
    assert line.strip().startswith("data.mode: at character 180: ")
    assert len(line) < 200

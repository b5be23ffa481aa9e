"""Upstream by git, kustomize and Helm, tried on repositories made here and reached through a mirror rule."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kubeflow.distribution import fetch, table
from kubeflow.distribution.documents import parse
from kubeflow.distribution.fetch import SourceError
from kubeflow.distribution.source import Chart, Component, CrdsOf, ImageEdit, Overlay, Pin, Shipped, Source, Subchart

UPSTREAM = "https://git.example.invalid/org"
needs_kustomize = pytest.mark.skipif(
    shutil.which("kustomize") is None and shutil.which("kubectl") is None,
    reason="builds a kustomization: needs kustomize or kubectl on PATH",
)
needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="renders a chart: needs helm on PATH")
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="fetches a repository: needs git on PATH")

KUSTOMIZATION = {
    "base/kustomization.yaml": "resources: [deployment.yaml]\nimages: [{name: manager, newName: dev, newTag: main}]\n",
    "base/deployment.yaml": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
        "spec: {template: {spec: {containers: [{name: c, image: manager}]}}}\n"
    ),
    "overlay/kustomization.yaml": "namespace: team\nresources: [../base]\n",
}


def git(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Upstream:
    """A folder of repositories that answers for `UPSTREAM` by git configuration alone."""

    def __init__(self, root: Path) -> None:
        self.root = root / "mirror"
        self.workspace = root / "sources"
        self.tools = root / "bin"
        self.root.mkdir()

    def publish(self, name: str, files: Mapping[str, str], tag: str = "v1") -> Pin:
        """A commit with these files under a tag that may have been somewhere else before."""
        tree = self.root / name
        tree.mkdir(exist_ok=True)
        git("init", "--quiet", cwd=tree)
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        git("add", ".", cwd=tree)
        git("commit", "--quiet", "--message", "release", cwd=tree)
        git("tag", "--force", tag, cwd=tree)
        commit = git("rev-parse", "HEAD", cwd=tree)
        return Pin(repository=f"{UPSTREAM}/{name}", tag=tag, commit=commit, licence="Apache-2.0")

    def render(self, source: Source, namespace: str | None = None) -> str:
        component = Component(name="sample", version="1", source=source, namespace=namespace)
        return fetch.render(component, workspace=self.workspace, tools=self.tools)


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """Nothing but a mirror rule leads to the repositories."""
    place = Upstream(tmp_path)
    configuration = tmp_path / "gitconfig"
    configuration.write_text(
        f'[url "{place.root.as_uri()}"]\n\tinsteadOf = {UPSTREAM}\n[user]\n\tname = a\n\temail = a@example.invalid\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return place


@needs_kustomize
def test_an_overlay_is_built_from_its_pinned_tag(upstream: Upstream) -> None:
    pin = upstream.publish("repo", KUSTOMIZATION)
    (document,) = parse(upstream.render(Overlay(pin=pin, path="overlay")), origin="overlay")
    assert str(document.identity) == "apps/v1 Deployment team/web"
    assert '"image":"dev:main"' in document.text


@needs_kustomize
def test_a_checkout_is_used_again_when_upstream_is_out_of_reach(upstream: Upstream) -> None:
    source = Overlay(pin=upstream.publish("repo", KUSTOMIZATION), path="overlay")
    first = upstream.render(source)
    shutil.rmtree(upstream.root)
    assert upstream.render(source) == first


@needs_kustomize
def test_an_image_edit_changes_the_build_and_not_the_checkout(upstream: Upstream) -> None:
    pin = upstream.publish("repo", KUSTOMIZATION)
    edit = ImageEdit(kustomization="base/kustomization.yaml", name="manager", new_name="org/web", new_tag="v1")
    assert "image: org/web:v1" in upstream.render(Overlay(pin=pin, path="overlay", image=edit))
    assert "image: dev:main" in upstream.render(Overlay(pin=pin, path="overlay"))


@needs_kustomize
def test_a_failed_build_tells_the_cause_and_what_kustomize_downloads_itself(upstream: Upstream) -> None:
    pin = upstream.publish("repo", {"overlay/kustomization.yaml": "resources: [absent.yaml]\n"})
    with pytest.raises(SourceError, match=r"(?s)absent\.yaml.*makes kustomize fetch: a release file"):
        upstream.render(Overlay(pin=pin, path="overlay", downloads=("a release file",)))


def test_a_tag_that_moved_is_refused_with_both_commits(upstream: Upstream) -> None:
    pin = upstream.publish("repo", {"a.yaml": "a: 1\n"})
    moved = upstream.publish("repo", {"a.yaml": "a: 2\n"})
    with pytest.raises(SourceError, match=f"tag v1 of {UPSTREAM}/repo is commit {moved.commit}, expected {pin.commit}"):
        upstream.render(Shipped(pin=pin, path="a.yaml"))
    assert not [path for path in upstream.workspace.iterdir() if path.is_dir()]


def test_a_tag_that_is_missing_is_named(upstream: Upstream) -> None:
    pin = replace(upstream.publish("repo", {"a.yaml": "a: 1\n"}), tag="v9")
    with pytest.raises(SourceError, match=r"git failed with exit status 128: .*refs/tags/v9"):
        upstream.render(Shipped(pin=pin, path="a.yaml"))


def test_a_shipped_file_is_taken_byte_for_byte(upstream: Upstream) -> None:
    text = "# kept\napiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n"
    assert upstream.render(Shipped(pin=upstream.publish("repo", {"dist/all.yaml": text}), path="dist/all.yaml")) == text


def test_a_part_of_another_component_has_no_source_of_its_own(upstream: Upstream) -> None:
    with pytest.raises(SourceError, match="its objects are part of whole"):
        upstream.render(CrdsOf(component="whole"))


@pytest.mark.parametrize(
    ("answer", "seen"), [(None, "none"), ("v4.5.7", r".*kustomize \(4\.5\.7\)"), ("devel", r".*kustomize \(0\.0\.0\)")]
)
def test_a_missing_or_unfit_tool_is_named_with_what_was_found(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, answer: str | None, seen: str
) -> None:
    pin = upstream.publish("repo", KUSTOMIZATION)
    fetch.checkout(pin, upstream.workspace)
    upstream.tools.mkdir()
    if answer is not None:
        tool = upstream.tools / "kustomize"
        tool.write_text(f"#!{shutil.which('sh')}\necho {answer}\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(upstream.root))
    with pytest.raises(SourceError, match=rf"needs kustomize 5\.5\.0 or later, below 6, .*; found {seen}$"):
        upstream.render(Overlay(pin=pin, path="overlay"))


@needs_helm
def test_a_chart_is_rendered_with_subcharts_from_their_own_tags(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {0}, namespace: "{{{{ .Release.Namespace }}}}"}}\n'
    chart = "apiVersion: v2\nname: {0}\nversion: {1}\n"
    main = upstream.publish(
        "main",
        {
            "charts/main/Chart.yaml": chart.format("main", "0.0.0")
            + "dependencies:\n- {name: part, version: 2.0.0}\n- {name: unused, version: 1.0.0, condition: none.on}\n",
            "charts/main/values.yaml": "mode: quiet\n",
            "charts/main/templates/a.yaml": template.format("main")
            + 'data: {version: "{{ .Chart.Version }}", mode: "{{ .Values.mode }}", '
            + 'monitors: "{{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}"}\n',
        },
    )
    part = upstream.publish(
        "part", {"part/Chart.yaml": chart.format("part", "2.0.0"), "part/templates/a.yaml": template.format("part")}
    )
    values = upstream.root / "values"
    values.mkdir()
    (values / "sample.yaml").write_text("mode: loud\n")
    monkeypatch.setattr(fetch, "VALUES", values)
    source = Chart(
        pin=main,
        path="charts/main",
        release="main",
        version="v1.2.3",
        subcharts=(Subchart(name="part", pin=part, path="part"),),
        dropped=("unused",),
    )
    whole, lesser = parse(upstream.render(source, namespace="team"), origin="chart")
    assert whole.body["data"] == {"version": "v1.2.3", "mode": "loud", "monitors": "true"}
    assert str(lesser.identity) == "v1 ConfigMap team/part"


def test_every_chart_of_a_release_has_its_values() -> None:
    charts = {
        one.name for release in table.RELEASES for one in table.components(release) if isinstance(one.source, Chart)
    }
    assert {f"{name}.yaml" for name in charts} == {path.name for path in fetch.VALUES.iterdir()}

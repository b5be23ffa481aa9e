"""Upstream by git, kustomize and Helm of known versions. Asks for no credentials; trusts commits, not tags."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from .source import Chart, Component, CrdsOf, ImageEdit, Overlay, Pin, Shipped

VALUES = Path(__file__).parent / "values"
KUBERNETES = "1.35.4"  # the version charts are rendered for
_KUSTOMIZE = ((5, 5, 0), (6, 0, 0))
_HELM = ((3, 21, 0), (4, 0, 0))
_DEADLINE_SECONDS = 900
_MESSAGE_LENGTH = 400  # kustomize tells the whole chain of files; the cause comes last

Version = tuple[int, int, int]


class SourceError(Exception):
    """A component that cannot be fetched or rendered, with the cause."""


def render(component: Component, *, workspace: Path, tools: Path) -> str:
    """The YAML of a component, from its pinned source. Checkouts stay in `workspace` for others and for later runs."""
    match component.source:
        case Overlay() as overlay:
            return _build(overlay, checkout(overlay.pin, workspace), workspace=workspace, tools=tools)
        case Chart() as chart:
            return _template(component, chart, workspace=workspace, tools=tools)
        case Shipped() as shipped:
            return (checkout(shipped.pin, workspace) / shipped.path).read_text(encoding="utf-8")
        case CrdsOf(component=other):
            raise SourceError(f"has no source of its own: its objects are part of {other}")


def checkout(pin: Pin, workspace: Path) -> Path:
    """A working tree of the pinned tag, fetched once. Plain git configuration (`url.<base>.insteadOf`) applies."""
    target = workspace / f"{pin.repository.rsplit('/', 2)[-2]}-{pin.repository.rsplit('/', 1)[-1]}-{pin.commit[:12]}"
    if target.is_dir():
        return target
    workspace.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workspace, prefix=".partial-") as folder:
        tree = Path(folder) / "tree"
        git = ("git", "-C", str(tree))
        _run(["git", "init", "--quiet", str(tree)])
        _run([*git, "fetch", "--quiet", "--depth", "1", pin.repository, f"refs/tags/{pin.tag}"])
        commit = _run([*git, "rev-parse", "FETCH_HEAD^{commit}"]).strip()
        if commit != pin.commit:
            raise SourceError(f"tag {pin.tag} of {pin.repository} is commit {commit}, expected {pin.commit}")
        _run(
            [*git, "-c", "advice.detachedHead=false", "-c", "core.autocrlf=false", "checkout", "--quiet", "FETCH_HEAD"]
        )
        tree.rename(target)
    return target


def _build(overlay: Overlay, tree: Path, *, workspace: Path, tools: Path) -> str:
    """Build an overlay; a source that wants an image edit is edited in a copy."""
    command = _kustomize(tools)
    try:
        if overlay.image is None:
            return _run([*command, str(tree / overlay.path)])
        with tempfile.TemporaryDirectory(dir=workspace, prefix=".partial-") as folder:
            copy = Path(folder) / "tree"
            shutil.copytree(tree, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"), copy_function=os.link)
            _edit_image(copy / overlay.image.kustomization, overlay.image)
            return _run([*command, str(copy / overlay.path)])
    except SourceError as error:
        if not overlay.downloads:
            raise
        raise SourceError(f"{error}\n  this overlay makes kustomize fetch: {', '.join(overlay.downloads)}") from error


def _edit_image(path: Path, edit: ImageEdit) -> None:
    """Set one image of a kustomization. The file is replaced: its old content is shared with the checkout."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    others = [image for image in content.get("images", []) if image["name"] != edit.name]
    content["images"] = [*others, {"name": edit.name, "newName": edit.new_name, "newTag": edit.new_tag}]
    path.unlink()
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def _template(component: Component, chart: Chart, *, workspace: Path, tools: Path) -> str:
    """Render a chart with its subcharts from git: no chart repository is asked."""
    helm = _helm(tools)
    with tempfile.TemporaryDirectory(prefix="chart-") as folder:
        copy = Path(folder) / "chart"
        shutil.copytree(checkout(chart.pin, workspace) / chart.path, copy)
        for subchart in chart.subcharts:
            shutil.copytree(checkout(subchart.pin, workspace) / subchart.path, copy / "charts" / subchart.name)
        _edit_chart(copy / "Chart.yaml", chart)
        arguments = ["template", chart.release, str(copy), "--namespace", component.namespace or "default"]
        arguments += ["--include-crds", "--skip-tests", "--kube-version", KUBERNETES]
        arguments += ["--values", str(VALUES / f"{component.name}.yaml")]
        if chart.monitoring:
            arguments += ["--api-versions", "monitoring.coreos.com/v1"]
        return _run([helm, *arguments])


def _edit_chart(path: Path, chart: Chart) -> None:
    """Leave out disabled dependencies and replace a placeholder version."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if chart.dropped:
        content["dependencies"] = [entry for entry in content["dependencies"] if entry["name"] not in chart.dropped]
    if chart.version:
        content |= {"version": chart.version, "appVersion": chart.version}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def _kustomize(tools: Path) -> tuple[str, ...]:
    """The command that builds an overlay: kustomize itself, or the one inside kubectl."""
    return _first(
        "kustomize",
        _KUSTOMIZE,
        (
            (_program("kustomize", tools), ("version",), ("build",), r"v?(\d+)\.(\d+)\.(\d+)"),
            (
                _program("kubectl", tools),
                ("version", "--client"),
                ("kustomize",),
                r"Kustomize Version: v(\d+)\.(\d+)\.(\d+)",
            ),
        ),
    )


def _helm(tools: Path) -> str:
    """The command that renders a chart."""
    return _first(
        "helm", _HELM, ((_program("helm", tools), ("version", "--short"), (), r"v(\d+)\.(\d+)(?:\.(\d+))?"),)
    )[0]


def _first(
    name: str,
    window: tuple[Version, Version],
    candidates: Sequence[tuple[str | None, tuple[str, ...], tuple[str, ...], str]],
) -> tuple[str, ...]:
    """The first candidate whose version is in the window, as a command prefix."""
    seen: list[str] = []
    for path, question, verb, form in candidates:
        if path is None:
            continue
        match = re.search(form, _run([path, *question]))
        version = (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
        if window[0] <= version < window[1]:
            return (path, *verb)
        seen.append(f"{path} ({'.'.join(map(str, version))})")
    low, high = ".".join(map(str, window[0])), window[1][0]
    raise SourceError(
        f"needs {name} {low} or later, below {high}, in .tools/bin or on PATH; found {', '.join(seen) or 'none'}"
    )


def _program(name: str, tools: Path) -> str | None:
    """The project's own copy, or the one on PATH."""
    return shutil.which(name, path=str(tools)) or shutil.which(name)


def _run(command: Sequence[str]) -> str:
    """Standard output of a program; a failure is told with the program's last words."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, encoding="utf-8", timeout=_DEADLINE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode != 0:
        program = Path(command[0]).name
        words = " / ".join(line.strip() for line in done.stderr.strip().splitlines()[-3:])
        raise SourceError(
            f"{program} failed with exit status {done.returncode}: {words[-_MESSAGE_LENGTH:] or 'no message'}"
        )
    return done.stdout

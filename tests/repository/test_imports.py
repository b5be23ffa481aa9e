"""The direction of imports is the architecture: proven on the source, not promised in a document."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("infra", "kubeflow", "policies", "rehearsal", "review", "stacks", "tools", "workloads")
CLOUDS = ("eks", "aks", "gke", "ack", "vsphere", "existing", "local")

# Package -> what it may import of this repository, besides itself.
ALLOWED = {
    "infra": (),
    "kubeflow": ("infra.contract", "infra.naming", "infra.objects", "infra.pools"),
    "policies": (),
    "rehearsal": ("infra.contract", "infra.local", "infra.naming", "stacks.load"),
    "review": (
        "infra.contract",  # by the script that runs inside of a tree, as what follows
        "kubeflow.distribution",
        "kubeflow.install.source",
        "kubeflow.network",
        "policies.guardrails",
        "rehearsal.changes",
        "rehearsal.cloud_provider.metadata",
        "rehearsal.cloud_provider.package",
        "rehearsal.engine",
        "rehearsal.kubernetes_provider.diff",
        "rehearsal.launchers",
    ),
    "stacks": ("infra.contract", "infra.provision", "kubeflow", "workloads.contract"),
    "tools": ("rehearsal.launchers",),
    "workloads": ("tools",),
}


# Entry points are composition roots: no module imports them, so they may join what may not know each other.
ENTRY_POINTS = {"infra/__main__.py": ("kubeflow.install", "stacks")}


def _sources(package: str) -> Iterator[Path]:
    return (ROOT / package).rglob("*.py")


def _imports(path: Path) -> Iterator[str]:
    """Absolute names of what a module imports; `from a import b` yields both a and a.b."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    if path.name == "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _is_below(name: str, parent: str) -> bool:
    return name == parent or name.startswith(f"{parent}.")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_its_place_allows(package: str) -> None:
    allowed = (package, *ALLOWED[package])
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _sources(package)
        for name in _imports(path)
        if any(_is_below(name, ours) for ours in PACKAGES)
        and not any(
            _is_below(name, parent) or _is_below(parent, name)
            for parent in (*allowed, *ENTRY_POINTS.get(str(path.relative_to(ROOT)), ()))
        )
    ]
    assert wrong == []


def test_nobody_imports_an_entry_point() -> None:
    names = {path.removesuffix(".py").replace("/", ".") for path in ENTRY_POINTS}
    assert [name for one in PACKAGES for path in _sources(one) for name in _imports(path) if name in names] == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_no_environment_imports_another(cloud: str) -> None:
    others = [f"infra.{other}" for other in CLOUDS if other != cloud]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _sources(f"infra/{cloud}")
        for name in _imports(path)
        if any(_is_below(name, other) for other in others)
    ]
    assert wrong == []


def test_what_runs_before_anything_is_installed_imports_only_the_standard_library() -> None:
    bootstrap = [*_sources("tools"), ROOT / "rehearsal/__init__.py", ROOT / "rehearsal/launchers.py"]
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in bootstrap
        for name in _imports(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "tools", "rehearsal"}
    ]
    assert wrong == []


def test_kubeflow_never_names_a_cloud() -> None:
    words = {"eks", "aks", "gke", "ack", "vsphere"}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _sources("kubeflow")
        if "distribution" not in path.parts  # upstream's own overlay names
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Name) and node.id.lower() in words)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.lower() in words)
    ]
    assert wrong == []


@pytest.mark.parametrize("package", ["infra", "kubeflow", "policies", "stacks", "workloads"])
def test_a_package_name_resolves_inside_the_repository(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT), (
        f"`import {package}` finds {module.__file__}: run from the repository's folder and uninstall what shadows it"
    )


def test_no_installed_distribution_shadows_the_project() -> None:
    installed = importlib.metadata.packages_distributions()
    shadows = {name: installed[name] for name in ("kubeflow", "infra", "stacks", "workloads") if name in installed}
    assert shadows == {}, f"uninstall {shadows}: machine-learning libraries never belong beside the engine"


def test_only_the_outputs_module_exports() -> None:
    callers = [
        str(path.relative_to(ROOT))
        for package in ("infra", "kubeflow", "stacks", "workloads")
        for path in _sources(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == "export"
        and isinstance(node.value, ast.Name)
        and node.value.id == "pulumi"
    ]
    assert set(callers) == {"stacks/outputs.py"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_owns(package: str) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _sources(package)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []

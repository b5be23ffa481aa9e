"""Fixtures of tests with the real engine: stand-ins, projects, and one control plane for the whole session."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.control_plane import ControlPlane
from tests.support.cluster import Api, standing
from tests.support.engine import Project, install_stand_ins

Projects = Callable[..., Project]


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_stand_ins(tmp_path_factory.mktemp("stand ins") / "bin")


@pytest.fixture
def project(tmp_path: Path, stand_ins: Path) -> Projects:
    numbers = itertools.count()

    def make(**options: object) -> Project:
        return Project(tmp_path / f"project {next(numbers)}", stand_ins, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server with simulated nodes, deleted at the end of the session."""
    with standing(tmp_path_factory.mktemp("cluster")) as plane:
        yield plane


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Api:
    return Api(control_plane.kubeconfig)

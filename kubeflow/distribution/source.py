"""Shapes of an origin: where a component comes from and what has to be done to it. Nothing here fetches or renders."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """A tag of an upstream repository and the commit it has to be."""

    repository: str
    tag: str
    commit: str
    licence: str

    def __str__(self) -> str:
        """As a reader looks it up."""
        return f"{self.repository.removeprefix('https://')}@{self.tag}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageEdit:
    """The image that a repository's own release target writes into a kustomization before it builds."""

    kustomization: str
    name: str
    new_name: str
    new_tag: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """A kustomize overlay. `downloads` are the bases that kustomize itself gets while it builds."""

    pin: Pin
    path: str
    image: ImageEdit | None = None
    downloads: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subchart:
    """A dependency of a chart, taken from its own repository at its own tag."""

    name: str
    pin: Pin
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """A Helm chart in a repository, rendered with `values/<component>.yaml`. `dropped` dependencies are disabled."""

    pin: Pin
    path: str
    release: str
    version: str = ""  # written into Chart.yaml where the repository keeps a placeholder
    subcharts: tuple[Subchart, ...] = ()
    dropped: tuple[str, ...] = ()
    monitoring: bool = True  # render for a cluster that knows the Prometheus operator's kinds


@dataclass(frozen=True, kw_only=True, slots=True)
class Shipped:
    """A file that upstream ships already rendered."""

    pin: Pin
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CrdsOf:
    """The CustomResourceDefinitions of another component, unchanged."""

    component: str


Source = Overlay | Chart | Shipped | CrdsOf


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One unit of the distribution. Rendered data has the file name `<name>.yaml`."""

    name: str
    version: str
    source: Source
    namespace: str | None = None  # of namespaced objects that name none: the chart's release namespace
    family: str = ""  # at most one component of a family may be installed
    default: bool = True  # part of upstream's example installation, or the first choice of its family

"""Where upstream's objects come from on this machine: the locked cache, or, without one, nothing but their kinds."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field

import pulumi

from kubeflow.distribution import CacheMissingError, Distribution, load
from kubeflow.distribution.cache import ROOT, VariantError, directory
from kubeflow.distribution.source import CrdsOf
from kubeflow.distribution.table import CURRENT, components

DEFAULT_COMPONENTS = "default"  # stands for upstream's example installation and the first choice of each add-on


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """The chosen components and what is cached of them."""

    names: tuple[str, ...]
    distribution: Distribution
    folder: str  # of the cache, relative to the repository
    missing: str = field(default="", repr=False)  # why nothing is cached

    @property
    def families(self) -> frozenset[str]:
        """The chosen components, as the table of workloads names them: variants by their family."""
        chosen = components(CURRENT, self.names) if self.names else ()
        return frozenset(one.family or one.name for one in chosen if not isinstance(one.source, CrdsOf))


def expanded(chosen: Iterable[str]) -> tuple[str, ...]:
    """The components that the configuration key `platform.components` stands for, each once."""
    usual = tuple(component.name for component in components(CURRENT) if component.default)
    names = [name for choice in chosen for name in (usual if choice == DEFAULT_COMPONENTS else (choice,))]
    return tuple(dict.fromkeys(names))


@functools.cache
def source(names: tuple[str, ...], *, needed: bool = True) -> Source:
    """What is cached of these components; if they are needed, an incomplete cache ends the program."""
    folder = directory(CURRENT)
    missing, found = "", Distribution(release=CURRENT, components={})
    try:
        if names:
            found = load(CURRENT, names, folder=folder)
    except VariantError as error:
        raise pulumi.RunError(f"platform.components: {error}") from error
    except CacheMissingError as error:
        if needed:
            raise pulumi.RunError(f"platform.components: {error}") from error
        missing = str(error)
    return Source(names=names, distribution=found, folder=str(folder.relative_to(ROOT)), missing=missing)

"""Installs upstream's components in waves, with what is wrong for a shared, closed cluster changed on the way."""

from .installation import InstallArgs, Installation
from .source import DEFAULT_COMPONENTS, Source, expanded, source

__all__ = ["DEFAULT_COMPONENTS", "InstallArgs", "Installation", "Source", "expanded", "source"]

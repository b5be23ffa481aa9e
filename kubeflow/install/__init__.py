"""Installs upstream's components in waves, with what is wrong for a shared, closed cluster changed on the way."""

from .installation import InstallArgs, Installation, Source, source

__all__ = ["InstallArgs", "Installation", "Source", "source"]

"""The upstream distribution: what a release has, the lock of its content, and the cache the installer reads."""

from .cache import CacheMissingError, Distribution, Rendered, load

__all__ = ["CacheMissingError", "Distribution", "Rendered", "load"]

"""The final report of one stack: one page, the same as Markdown, and a folder of evidence with a manifest."""

from .build import Given, build

__all__ = ["Given", "build"]

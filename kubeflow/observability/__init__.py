"""What is watched and how: scrape targets, the monitors made from them, and what upstream's objects need for it."""

from .monitors import monitors
from .stack import Stack, objects, steps

__all__ = ["Stack", "monitors", "objects", "steps"]

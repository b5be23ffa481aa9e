"""What is watched and how: scrape targets and their monitors, rules, dashboards, who is told, and upstream's part."""

from .facts import Facts, Pool, described, of, problems
from .monitors import monitors
from .stack import Stack, objects, steps

__all__ = ["Facts", "Pool", "Stack", "described", "monitors", "objects", "of", "problems", "steps"]

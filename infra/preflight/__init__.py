"""Checks before any money is spent: what a stack file plans against what its environment can give. Changes nothing.

Each environment has a module of its name with `make(plan)`. Judgements are pure; whoever looks is behind one small
protocol in each module, and a look that is not possible is a SKIP with its reason, never a PASS.
"""

from __future__ import annotations

import importlib
import importlib.util

from .checks import Check, Plan, failed, passed, static

__all__ = ["Plan", "checks_of"]


def checks_of(plan: Plan) -> tuple[Check, ...]:
    """The checks of a plan; an environment without a module has no look of its own."""
    name = plan.spec.environment.value
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        return (static(f"{name}.stack-file", passed("the stack file is sound; there is nothing to look at")),)
    try:
        checks: tuple[Check, ...] = importlib.import_module(f"{__name__}.{name}").make(plan)
    except ValueError as error:  # what only the environment's own folder can see in a sound stack file
        return (static(f"{name}.stack-file", failed(f"cluster.{error}", "correct the stack file")),)
    return checks

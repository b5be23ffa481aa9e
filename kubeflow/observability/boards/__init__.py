"""Every dashboard of one stack, as data."""

from __future__ import annotations

from kubeflow.observability.facts import Facts

from . import capacity, cost, drift, gpu, mesh, overview, pipelines, serving, training, validation
from .model import Board, visible

__all__ = ["Board", "boards"]

_ALL = (overview, training, serving, pipelines, gpu, capacity, mesh, drift, cost, validation)


def boards(facts: Facts) -> tuple[Board, ...]:
    """The dashboards of one stack; panels about what it does not have are left out."""
    made = (visible(module.board(facts), facts) for module in _ALL)
    return tuple(board for board in made if board.sections)

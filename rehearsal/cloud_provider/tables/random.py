"""Package `random`: every change makes a new value; the values themselves are real (`real_random.py`)."""

from __future__ import annotations

from rehearsal.cloud_provider.tables import Table

TABLE = Table(default_id="${h17}", force_new={"*": frozenset({"*"})})

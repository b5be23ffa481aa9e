"""What a planned stack costs by list prices: per pool and part, at the fewest and the most nodes. Guesses nothing.

A total is the sum of what is known, and says what it leaves out. Spot nodes without a spot price are counted at the
price on demand, which they never exceed, and marked so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .pools import Group, groups, parts
from .previews import Preview
from .price_table import CLOUDS, Price, PriceTable

HOURS = 730  # of a month, as price lists count


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One pool or part."""

    name: str
    unit: str  # machine type, or what is counted
    gpus: int  # of each node
    least: float
    most: float
    price: float | None  # of one, for an hour
    notes: tuple[str, ...] = ()
    source: str = ""

    @property
    def hourly(self) -> tuple[float | None, float | None]:
        """At the fewest and at the most; None is unknown, but nothing of something costs nothing."""
        return self._times(self.least), self._times(self.most)

    def _times(self, count: float) -> float | None:
        if count == 0:
            return 0.0
        return None if self.price is None or math.isinf(count) else self.price * count


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """One side's cost for an hour in USD."""

    cloud: str  # as the table calls whoever bills
    region: str
    pools: tuple[Row, ...] = ()
    parts: tuple[Row, ...] = ()
    sources: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> tuple[Row, ...]:
        """Everything."""
        return (*self.pools, *self.parts)

    def total(self, *, most: bool, gpus_only: bool = False) -> float:
        """The sum of what is known."""
        rows = [row for row in self.pools if row.gpus] if gpus_only else self.rows
        return sum(row.hourly[most] or 0.0 for row in rows)

    def unknown(self, *, most: bool) -> tuple[str, ...]:
        """What the sum leaves out."""
        return tuple(row.name for row in self.rows if row.hourly[most] is None)

    @property
    def gpu_share(self) -> float | None:
        """How much of the known sum at the most nodes is for nodes with GPUs; None if that cannot be said."""
        whole = self.total(most=True)
        unknown = any(row.gpus and row.hourly[1] is None for row in self.pools)
        return None if not whole or unknown else self.total(most=True, gpus_only=True) / whole


def estimate(preview: Preview, table: PriceTable) -> Estimate:
    """What a planned stack costs."""
    found = groups(preview.resources, preview.outputs)
    cloud = CLOUDS.get(preview.environment, preview.environment)  # a table of one's own may price any environment
    asked = _Asked(table=table, cloud=cloud, region=preview.region)
    rows = [asked.pool(one) for one in found]
    others = [asked.part(name, count) for name, count in parts(preview.resources).items()]
    others = others if preview.environment in CLOUDS else []
    used = {row.source for row in (*rows, *others) if row.source}
    named = [table.sources[name] for name in sorted(used)]
    return Estimate(
        cloud=cloud,
        region=preview.region,
        pools=tuple(rows),
        parts=tuple(others),
        sources=tuple(f"{one.name}, {one.date}" for one in named),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """Questions to the table for one cloud and region."""

    table: PriceTable
    cloud: str
    region: str

    def pool(self, group: Group) -> Row:
        found = self.table.find(self.cloud, self.region, "machine", group.machine) if group.machine else None
        price, notes = self._chosen(found, spot=group.spot)
        if price is None:
            notes += self._accelerators(group)
        if not group.machine:
            notes += ("the machine type is not known, or there are several",)
        return Row(
            name=group.name,
            unit=group.machine or "unknown",
            gpus=group.gpus,
            least=group.least,
            most=group.most,
            price=price,
            notes=notes,
            source=found.source if found is not None and price is not None else "",
        )

    def part(self, name: str, count: float) -> Row:
        found = self.table.find(self.cloud, self.region, "component", name)
        price, notes = self._chosen(found, spot=False)
        source = found.source if found is not None and price is not None else ""
        return Row(name=name, unit=name, gpus=0, least=count, most=count, price=price, notes=notes, source=source)

    def _chosen(self, found: Price | None, *, spot: bool) -> tuple[float | None, tuple[str, ...]]:
        if found is None:
            return None, ()
        elsewhere = (f"price of {found.region}",) if found.region != self.region else ()
        if not spot:
            return found.on_demand, elsewhere
        if found.spot is not None:
            return found.spot, (*elsewhere, "spot price of a day")
        return found.on_demand, (*elsewhere, "spot price unknown: at most the one on demand")

    def _accelerators(self, group: Group) -> tuple[str, ...]:
        """What is known of a part of the price where the whole is not."""
        told: list[str] = []
        for kind, count in group.accelerators.items():
            found = self.table.find(self.cloud, self.region, "accelerator", kind)
            price, notes = self._chosen(found, spot=group.spot)
            if price is not None:
                told.append(f"its {count} {kind} alone: {price * count:.2f}{''.join(f', {note}' for note in notes)}")
        return tuple(told)


def differing(before: Sequence[Row], after: Sequence[Row]) -> list[tuple[Row | None, Row | None]]:
    """Rows that are new, gone or other than before."""
    olds, news = {row.name: row for row in before}, {row.name: row for row in after}
    names = dict.fromkeys((*news, *olds))
    return [(olds.get(name), news.get(name)) for name in names if olds.get(name) != news.get(name)]

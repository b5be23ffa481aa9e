"""The price table `prices.json`: dated list prices with their sources. What it lacks is unknown; nothing is guessed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

FILE = Path(__file__).with_name("prices.json")
CLOUDS: Mapping[str, str] = {"eks": "aws", "aks": "azure", "gke": "gcp", "ack": "alibaba"}  # who bills an environment
Item = Literal["machine", "accelerator", "component"]
_ITEMS = ("machine", "accelerator", "component")
_SCHEMA = 1
_COLUMNS = ("cloud", "region", "item", "name", "onDemand", "spot", "source")


class PriceError(Exception):
    """A price table is not what it has to be; the message says where."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where prices come from, and of which day they are."""

    name: str
    date: str
    checked: bool  # False: as commonly known


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What one thing costs for an hour, in USD; None is unknown."""

    cloud: str
    region: str
    item: Item
    name: str
    on_demand: float | None
    spot: float | None
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is the price of."""
        return self.cloud, self.region, self.item, self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceTable:
    """All prices with their sources."""

    prices: tuple[Price, ...]
    sources: Mapping[str, Source]

    def find(self, cloud: str, region: str, item: Item, name: str) -> Price | None:
        """The price in a region; where it is not listed, that of the first region that is, which the price names."""
        fitting = [one for one in self.prices if (one.cloud, one.item, one.name) == (cloud, item, name)]
        return next((one for one in fitting if one.region == region), fitting[0] if fitting else None)

    def merged(self, fresh: Iterable[Price], name: str, source: Source) -> PriceTable:
        """The table with newer prices in place of those of the same thing; sources that nothing needs go."""
        news = {one.key: replace(one, source=name) for one in fresh}
        olds = {one.key: one for one in self.prices}
        prices = tuple(sorted({**olds, **news}.values(), key=lambda one: one.key))
        used = {one.source for one in prices}
        sources = {**self.sources, name: source}
        return PriceTable(prices=prices, sources={key: sources[key] for key in sorted(used)})

    def text(self) -> str:
        """As it is written: one price a line, so that a refresh is a diff that people read."""
        sources = [f"  {json.dumps(name)}: {json.dumps(_source(one))}" for name, one in self.sources.items()]
        prices = [f"  {json.dumps(_row(one))}" for one in self.prices]
        head = f'{{\n "schema": {_SCHEMA},\n "currency": "USD",\n "unit": "hour",\n'
        return f'{head} "sources": {{\n{_lines(sources)} }},\n "prices": [\n{_lines(prices)} ]\n}}\n'


def read(file: Path = FILE) -> PriceTable:
    """The table in a file, or a PriceError with every problem of it."""
    try:
        document = cast("object", json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise PriceError(f"{file}: {type(error).__name__}: {error}") from error
    if not isinstance(document, dict):
        raise PriceError(f"{file}: must be an object")
    whole = cast("dict[str, Any]", document)
    problems = [
        f"{key}: found {whole.get(key)!r}, allowed is {wanted!r}"
        for key, wanted in (("schema", _SCHEMA), ("currency", "USD"), ("unit", "hour"))
        if whole.get(key) != wanted
    ]
    listed = cast("dict[str, Any]", whole.get("sources") or {})
    sources: dict[str, Source] = {}
    for name, one in listed.items():
        try:
            dt.date.fromisoformat(one["date"])
            sources[name] = Source(name=str(one["name"]), date=one["date"], checked=one["checked"] is True)
        except (KeyError, TypeError, ValueError):
            problems.append(f"sources.{name}: needs name, date (such as 2027-03-31) and checked")
    prices: list[Price] = []
    for number, row in enumerate(cast("list[dict[str, Any]]", whole.get("prices") or [])):
        wrong = _problem(row, listed)
        problems += [f"prices[{number}]{wrong}"] if wrong else []
        prices += [] if wrong else [_price(row)]
    if problems:
        raise PriceError("\n".join(f"{file}: {problem}" for problem in problems))
    return PriceTable(prices=tuple(prices), sources=sources)


def _problem(row: Mapping[str, Any], sources: Mapping[str, Any]) -> str:
    if set(row) != set(_COLUMNS):
        return f": found {', '.join(sorted(row))}, allowed are exactly {', '.join(_COLUMNS)}"
    if row["item"] not in _ITEMS:
        return f".item: found {row['item']!r}, allowed are {', '.join(_ITEMS)}"
    if row["source"] not in sources:
        return f".source: there is no source {row['source']!r}"
    for key in ("onDemand", "spot"):
        value = row[key]
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
            return f".{key}: found {value!r}, allowed are null (unknown) and numbers above 0"
    return ""


def _price(row: Mapping[str, Any]) -> Price:
    return Price(
        cloud=row["cloud"],
        region=row["region"],
        item=row["item"],
        name=row["name"],
        on_demand=row["onDemand"],
        spot=row["spot"],
        source=row["source"],
    )


def _row(price: Price) -> dict[str, Any]:
    values = (price.cloud, price.region, price.item, price.name, price.on_demand, price.spot, price.source)
    return dict(zip(_COLUMNS, values, strict=True))


def _source(source: Source) -> dict[str, Any]:
    return {"name": source.name, "date": source.date, "checked": source.checked}


def _lines(texts: list[str]) -> str:
    return ",\n".join(texts) + "\n" if texts else ""

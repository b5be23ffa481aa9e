"""Public price lists as prices: AWS's bulk list, Azure's retail API, and tables as SkyPilot's catalogue writes them.

What does not say clearly what it is the price of is left out; nothing is converted from another currency.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from .price_table import Price, PriceError

Object = Mapping[str, Any]
Get = Callable[[str], Object]  # address -> JSON document
_NO_PRICE = 500.0  # SkyPilot's catalogue writes 700 where it has none; no machine costs as much an hour
_PAGES = 200
_AZURE_API = "2023-01-01-preview"


def aws(document: Object, region: str, wanted: Collection[str]) -> Iterator[Price]:
    """Linux machines on demand, of `offers/v1.0/aws/AmazonEC2/current/REGION/index.json`; spot is not in it."""
    products = _mapping(document, "products")
    terms = _mapping(_mapping(document, "terms"), "OnDemand")
    found: dict[str, float] = {}
    for sku, product in products.items():
        facts = cast("Object", product.get("attributes") or {})
        name = str(facts.get("instanceType", ""))
        plain = (
            facts.get("operatingSystem") == "Linux"
            and facts.get("tenancy") == "Shared"
            and facts.get("preInstalledSw") == "NA"
            and facts.get("capacitystatus") == "Used"
            and facts.get("regionCode", region) == region
        )
        if plain and _is_wanted(name, wanted):
            for price in _dollars(cast("Object", terms.get(sku) or {})):
                found[name] = price
    for name, price in sorted(found.items()):
        yield _machine("aws", region, name, price, None)


def _dollars(offers: Object) -> Iterator[float]:
    for offer in offers.values():
        for dimension in cast("Object", offer.get("priceDimensions") or {}).values():
            text = cast("Object", dimension.get("pricePerUnit") or {}).get("USD")
            if dimension.get("unit") == "Hrs" and text is not None and float(text) > 0:
                yield float(text)


def azure(get: Get, address: str, region: str, wanted: Collection[str]) -> Iterator[Price]:
    """Linux machines of the retail API, page by page; pages of another host are refused."""
    found: dict[str, dict[bool, float]] = {}
    for name in sorted(wanted):
        query = (
            f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '{region}' "
            f"and armSkuName eq '{name}'"
        )
        for item in _pages(get, f"{address}?api-version={_AZURE_API}&$filter={query}", address):
            spot, price = " Spot" in str(item.get("skuName")), item.get("retailPrice")
            if _is_azure_linux(item, region) and isinstance(price, int | float) and price > 0:
                found.setdefault(str(item["armSkuName"]), {})[spot] = float(price)
    for name, prices in sorted(found.items()):
        yield _machine("azure", region, name, prices.get(False), prices.get(True))


def _is_azure_linux(item: Object, region: str) -> bool:
    return (
        item.get("armRegionName") == region
        and item.get("currencyCode") == "USD"
        and item.get("unitOfMeasure") == "1 Hour"
        and "Windows" not in str(item.get("productName"))
        and "Low Priority" not in str(item.get("skuName"))
    )


def _pages(get: Get, first: str, home: str) -> Iterator[Object]:
    address, origin = first, urlsplit(home)[:2]
    for _ in range(_PAGES):
        page = get(address)
        yield from cast("list[Object]", page.get("Items") or [])
        address = str(page.get("NextPageLink") or "")
        if not address:
            return
        if urlsplit(address)[:2] != origin:
            raise PriceError(f"the list goes on at another host, {urlsplit(address).hostname}: refused")
    raise PriceError(f"the list has more than {_PAGES} pages: name fewer machines")


def catalogue(lines: Iterable[str], cloud: str, region: str, wanted: Collection[str]) -> Iterator[Price]:
    """A CSV with the columns of SkyPilot's catalogue; rows without a machine are accelerators alone."""
    reader = csv.DictReader(lines)
    needed = {"InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "SpotPrice", "Region"}
    missing = needed - set(reader.fieldnames or ())
    if missing:
        raise PriceError(f"the table lacks the columns {', '.join(sorted(missing))}")
    found: dict[tuple[str, str], Price] = {}
    for row in reader:
        machine = row["InstanceType"]
        name = machine or row["AcceleratorName"]
        if row["Region"] != region or not _is_wanted(name, wanted):
            continue
        count = 1.0 if machine else float(row["AcceleratorCount"] or 1)
        on_demand, spot = (_number(row[key], count) for key in ("Price", "SpotPrice"))
        if spot == on_demand:
            spot = None  # without a history the catalogue repeats the price
        item = "machine" if machine else "accelerator"
        found[item, name] = Price(
            cloud=cloud, region=region, item=item, name=name, on_demand=on_demand, spot=spot, source=""
        )
    yield from (one for one in found.values() if one.on_demand is not None or one.spot is not None)


def _number(text: str | None, count: float) -> float | None:
    if not text:
        return None
    price = float(text) / count
    return price if 0 < price < _NO_PRICE else None


def _machine(cloud: str, region: str, name: str, on_demand: float | None, spot: float | None) -> Price:
    return Price(cloud=cloud, region=region, item="machine", name=name, on_demand=on_demand, spot=spot, source="")


def _is_wanted(name: str, wanted: Collection[str]) -> bool:
    return bool(name) and (not wanted or name in wanted)


def _mapping(document: Object, key: str) -> Mapping[str, Object]:
    found: Any = document.get(key)
    if not isinstance(found, dict):
        raise PriceError(f"the list has no mapping {key!r}: is it the right file?")
    return cast("Mapping[str, Object]", found)

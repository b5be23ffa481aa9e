"""`python -m review.prices`: refresh `prices.json` from a public price list, from a file or where one can be reached.

    python -m review.prices --cloud aws --region eu-west-1 --from index.json --date 2026-11-21 --machine p5.48xlarge
    python -m review.prices --cloud azure --region westeurope --online --machine Standard_D8ds_v5 --machine ...
    python -m review.prices --cloud gcp --region europe-west4 --from vms.csv --date 2026-11-01

Without --machine: those that are in the table already. Google's and Alibaba's lists need an account: export them as a
CSV with the columns of SkyPilot's catalogue. Review the difference of the file like any other change.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlsplit

from .price_table import CLOUDS, FILE, Price, PriceError, PriceTable, Source, read
from .public_lists import aws, azure, catalogue

# Documented by the clouds: AWS "Price List Bulk API", Azure "Retail Prices REST API". Neither needs an account.
_ADDRESSES = {
    "aws": "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonEC2/current/{region}/index.json",
    "azure": "https://prices.azure.com/api/retail/prices",
}
_SECONDS = 60
_MOST = 1_000_000_000  # bytes of an answer; AWS's list of one region is some hundred millions
_OFFLINE = "KUBEFLOW_PROOF_OFFLINE"


def main(arguments: Sequence[str] | None = None) -> int:
    """0: the table is refreshed; 2: it stays as it was."""
    chosen = _parser().parse_args(arguments)
    try:
        table = read(chosen.table)
        wanted = frozenset(chosen.machine) or _listed(table, chosen.cloud)
        fresh = list(_online(chosen, wanted) if chosen.online else _from_file(chosen, wanted))
        if fresh:
            date = dt.datetime.now(dt.UTC).date() if chosen.online else chosen.date
            source = Source(name=_called(chosen), date=date.isoformat(), checked=True)
            merged = table.merged(fresh, f"{chosen.cloud}-{chosen.region}-{date}", source)
            chosen.table.write_text(merged.text(), encoding="utf-8")
    except (PriceError, OSError, ValueError) as error:
        print(f"python -m review.prices: {error}", file=sys.stderr)  # noqa: T201 - a command line prints
        return 2
    if not fresh:
        print(f"nothing that was asked for is in the list for {chosen.region}", file=sys.stderr)  # noqa: T201 - as above
        return 2
    left = sorted(wanted - {one.name for one in fresh})
    print(f"{len(fresh)} prices of {chosen.region} written to {chosen.table}")  # noqa: T201 - a command line prints
    if left:
        print(f"not in the list: {', '.join(left)}")  # noqa: T201 - a command line prints
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m review.prices", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cloud", required=True, choices=sorted(CLOUDS.values()))
    parser.add_argument("--region", required=True)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--from", dest="file", type=Path, metavar="FILE", help="a list that was downloaded or exported")
    given.add_argument("--online", action="store_true", help="ask the cloud's public list (aws, azure)")
    parser.add_argument("--date", type=dt.date.fromisoformat, help="of the file; needed with --from")
    parser.add_argument("--machine", action="append", default=[], metavar="TYPE", help="repeat it")
    parser.add_argument("--table", type=Path, default=FILE, metavar="FILE", help="the table; review/prices.json")
    parser.add_argument("--address", default="", metavar="URL", help="of a mirror, in place of the cloud's own")
    return parser


def _listed(table: PriceTable, cloud: str) -> frozenset[str]:
    return frozenset(one.name for one in table.prices if one.cloud == cloud and one.item == "machine")


def _called(chosen: argparse.Namespace) -> str:
    if chosen.online:
        return f"{urlsplit(_address(chosen)).hostname}: the public price list of {chosen.cloud}, {chosen.region}"
    return f"{chosen.file.name}: a price list of {chosen.cloud}, {chosen.region}"


def _from_file(chosen: argparse.Namespace, wanted: Collection[str]) -> list[Price]:
    """A file's format is that of its cloud, or a catalogue if it is a CSV."""
    if chosen.date is None:
        raise PriceError("--date is needed with --from: of which day is the file?")
    if chosen.file.suffix == ".csv":
        with chosen.file.open(encoding="utf-8", newline="") as opened:
            return list(catalogue(opened, chosen.cloud, chosen.region, wanted))
    document = cast("Mapping[str, Any]", json.loads(chosen.file.read_text(encoding="utf-8")))
    if chosen.cloud == "aws":
        return list(aws(document, chosen.region, wanted))
    if chosen.cloud == "azure":
        single = {**document, "NextPageLink": None}
        found = {one.key: one for one in azure(lambda _address: single, "file:", chosen.region, wanted)}
        return [one for one in found.values() if one.name in wanted]
    raise PriceError(f"{chosen.file.name}: for {chosen.cloud} give a CSV with the columns of SkyPilot's catalogue")


def _online(chosen: argparse.Namespace, wanted: Collection[str]) -> list[Price]:
    if os.environ.get(_OFFLINE):
        raise PriceError(f"{_OFFLINE} is set: nothing is asked, use --from")
    address = _address(chosen)
    if chosen.cloud == "aws":
        return list(aws(_get(address), chosen.region, wanted))
    if not wanted:
        raise PriceError("name the machines with --machine: Azure's list is asked for each of them")
    return list(azure(_get, address, chosen.region, wanted))


def _address(chosen: argparse.Namespace) -> str:
    address = chosen.address or _ADDRESSES.get(chosen.cloud, "")
    if not address:
        raise PriceError(f"the list of {chosen.cloud} needs an account: export it and use --from")
    if urlsplit(address).scheme not in ("https", "http"):
        raise PriceError(f"{address}: must begin with https://")
    return str(address).replace("{region}", quote(chosen.region))


def _get(address: str) -> Mapping[str, Any]:
    """One JSON document; whatever a proxy of the environment says holds."""
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        quote(address, safe=":/?&=$%'-._~"), headers={"Accept": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - the scheme was checked
        body = answer.read(_MOST + 1)
    if len(body) > _MOST:
        raise PriceError(f"the answer is larger than {_MOST} bytes: download it and use --from")
    return cast("Mapping[str, Any]", json.loads(body))


if __name__ == "__main__":
    sys.exit(main())

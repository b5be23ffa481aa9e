"""Public price lists become prices: from files, and from a server on this machine in place of the clouds'."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from review import prices
from review.price_table import FILE, Price, PriceError, read
from review.public_lists import aws, azure, catalogue
from tests.support.listening import Quiet, listening

Json = dict[str, Any]
HEAD = "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,SpotPrice,Region,AvailabilityZone"


def product(machine: str, **other: str) -> Json:
    usual = {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
    return {"attributes": {"instanceType": machine, "regionCode": "eu-west-1", **usual, **other}}


def offer(price: str, unit: str = "Hrs") -> Json:
    return {"t": {"priceDimensions": {"d": {"unit": unit, "pricePerUnit": {"USD": price}}}}}


AWS: Json = {
    "products": {
        "a": product("p5.48xlarge"),
        "b": product("p5.48xlarge", operatingSystem="Windows"),
        "c": product("p5.48xlarge", tenancy="Dedicated"),
        "d": product("p5.48xlarge", capacitystatus="AllocatedCapacityReservation"),
        "e": product("m7i.2xlarge"),
        "f": product("other.large"),
    },
    "terms": {"OnDemand": {"a": offer("60.5"), "b": offer("99"), "c": offer("98"), "d": offer("97"),
                           "e": offer("0") | {"u": offer("0.45")["t"]}, "f": offer("1")}},
}  # fmt: skip


def item(price: float, sku: str = "D8ds v5", **other: Any) -> Json:  # noqa: ANN401 - any field
    return {
        "armSkuName": "Standard_D8ds_v5", "armRegionName": "westeurope", "currencyCode": "USD", "retailPrice": price,
        "unitOfMeasure": "1 Hour", "productName": "Virtual Machines Ddsv5 Series", "skuName": sku, **other,
    }  # fmt: skip


def found(made: Iterator[Price]) -> dict[str, tuple[float | None, float | None]]:
    return {one.name: (one.on_demand, one.spot) for one in made}


def test_aws_list_gives_shared_linux_machines_on_demand_only() -> None:
    wanted = {"p5.48xlarge", "m7i.2xlarge"}
    assert found(aws(AWS, "eu-west-1", wanted)) == {"p5.48xlarge": (60.5, None), "m7i.2xlarge": (0.45, None)}


def test_a_file_that_is_no_price_list_is_refused() -> None:
    with pytest.raises(PriceError, match="no mapping 'products'"):
        list(aws({}, "eu-west-1", ()))


def test_azures_pages_are_followed_and_windows_and_low_priority_are_left_out() -> None:
    pages = {
        "first": {
            "Items": [item(0.5), item(0.9, productName="Virtual Machines Ddsv5 Series Windows")],
            "NextPageLink": "https://h/2",
        },
        "https://h/2": {"Items": [item(0.1, "D8ds v5 Spot"), item(0.05, "D8ds v5 Low Priority")]},
    }
    asked: list[str] = []

    def get(address: str) -> Json:
        asked.append(address)
        return pages["first"] if "$filter" in address else pages[address]

    assert found(azure(get, "https://h/prices", "westeurope", {"Standard_D8ds_v5"})) == {"Standard_D8ds_v5": (0.5, 0.1)}
    assert "armSkuName eq 'Standard_D8ds_v5'" in asked[0]


def test_a_list_that_goes_on_at_another_host_is_refused() -> None:
    def get(_address: str) -> Json:
        return {"Items": [], "NextPageLink": "https://elsewhere.example/2"}

    with pytest.raises(PriceError, match="another host"):
        list(azure(get, "https://h/prices", "westeurope", {"x"}))


def test_a_catalogue_gives_machines_and_accelerators_alone_and_no_made_up_price() -> None:
    lines = [
        HEAD,
        "n2-standard-8,,,8,32,0.4,0.1,europe-west4,a",
        ",nvidia-l4,4,,,2.24,0.88,europe-west4,a",
        "none-known,,,8,32,700.0,,europe-west4,a",
        "no-history,,,8,32,1.0,1.0,europe-west4,a",
        "n2-standard-16,,,8,32,0.8,0.2,us-central1,a",
    ]
    assert found(catalogue(lines, "gcp", "europe-west4", ())) == {
        "n2-standard-8": (0.4, 0.1),
        "nvidia-l4": (0.56, 0.22),
        "no-history": (1.0, None),
    }


def test_a_catalogue_without_its_columns_is_refused() -> None:
    with pytest.raises(PriceError, match="lacks the columns"):
        list(catalogue(["a,b"], "gcp", "r", ()))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return Path(shutil.copy(FILE, tmp_path / "prices.json"))


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server that answers as both clouds do."""
    asked: list[str] = []

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 - named by the base class
            asked.append(self.path)
            answer = AWS if self.path.endswith("index.json") else {"Items": [item(0.53)]}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with listening(Handler) as port:
        yield f"http://127.0.0.1:{port}", asked


@pytest.mark.parametrize(
    "asked",
    [
        ("aws", "eu-west-1", "/offers/{region}/index.json", "p5.48xlarge", 60.5),
        ("azure", "westeurope", "/api/retail/prices", "Standard_D8ds_v5", 0.53),
    ],
)
def test_a_table_is_refreshed_from_a_list_that_can_be_reached(
    monkeypatch: pytest.MonkeyPatch,
    table: Path,
    server: tuple[str, list[str]],
    asked: tuple[str, str, str, str, float],
) -> None:
    cloud, region, path, machine, price = asked
    monkeypatch.delenv("KUBEFLOW_PROOF_OFFLINE", raising=False)
    where = ["--cloud", cloud, "--region", region, "--online", "--address", server[0] + path]
    assert prices.main([*where, "--machine", machine, "--table", str(table)]) == 0
    made = read(table).find(cloud, region, "machine", machine)
    assert made is not None
    assert made.on_demand == price
    assert read(table).sources[made.source].name.startswith("127.0.0.1: ")
    assert read(table).find(cloud, "us-east-1" if cloud == "aws" else "eastus", "machine", machine) is not None
    assert region in server[1][0]


def test_offline_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch, table: Path, server: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBEFLOW_PROOF_OFFLINE", "1")
    before = table.read_text(encoding="utf-8")
    asked = ["--cloud", "azure", "--region", "r", "--online", "--address", server[0], "--table", str(table)]
    assert prices.main(asked) == 2
    assert "KUBEFLOW_PROOF_OFFLINE is set" in capsys.readouterr().err
    assert server[1] == []
    assert table.read_text(encoding="utf-8") == before


def test_a_table_is_refreshed_from_a_file_of_a_day(table: Path, tmp_path: Path) -> None:
    file = tmp_path / "index.json"
    file.write_text(json.dumps(AWS), encoding="utf-8")
    asked = ["--cloud", "aws", "--region", "eu-west-1", "--from", str(file), "--table", str(table)]
    assert prices.main(asked) == 2, "without the day of the file"
    assert prices.main([*asked, "--date", "2026-11-01"]) == 0
    made = read(table).find("aws", "eu-west-1", "machine", "m7i.2xlarge")
    assert made is not None
    assert (made.on_demand, read(table).sources[made.source].date) == (0.45, "2026-11-01")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cloud", "gcp", "--region", "r", "--online"], "needs an account"),
        (
            ["--cloud", "azure", "--region", "r", "--online", "--address", "file:///etc/passwd"],
            "must begin with https://",
        ),
        (["--cloud", "gcp", "--region", "r", "--from", "x.json", "--date", "2026-01-01"], "x.json"),
    ],
)
def test_what_cannot_be_asked_is_said(
    monkeypatch: pytest.MonkeyPatch, table: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    monkeypatch.delenv("KUBEFLOW_PROOF_OFFLINE", raising=False)
    assert prices.main([*arguments, "--table", str(table)]) == 2
    assert said in capsys.readouterr().err


def test_a_list_without_what_was_asked_for_leaves_the_table(table: Path, tmp_path: Path) -> None:
    file = tmp_path / "index.json"
    file.write_text(json.dumps(AWS), encoding="utf-8")
    before = table.read_text(encoding="utf-8")
    asked = ["--cloud", "aws", "--region", "eu-west-1", "--from", str(file), "--date", "2026-11-01"]
    assert prices.main([*asked, "--machine", "no.such", "--table", str(table)]) == 2
    assert table.read_text(encoding="utf-8") == before

"""What Alibaba Cloud's APIs tell before a cluster is made, by their JSON documents. Judges nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol, cast

from .checks import CannotLookError, NoCredentialsError, Reservation
from .documents import Json, part, parts
from .sdk import load

_MILLISECONDS = 20_000
_PRIVATE_POOLS = {"eap": "ElasticityAssurance", "crp": "CapacityReservation"}


@dataclass(frozen=True, slots=True)
class Service:
    """One API of Alibaba Cloud."""

    product: str
    version: str


STS = Service("sts", "2015-04-01")
ECS = Service("ecs", "2014-05-26")
CS = Service("cs", "2015-12-15")


class OpenApi(Protocol):
    """Alibaba Cloud's APIs, looked at."""

    def call(self, service: Service, action: str, query: Mapping[str, str]) -> Json:
        """The answer to an action by name."""
        ...

    def get(self, service: Service, path: str, query: Mapping[str, str]) -> list[Json]:
        """The list at a path."""
        ...


class Facts:
    """What the APIs tell about one region, read."""

    def __init__(self, api: OpenApi, region: str) -> None:
        self._api, self._region = api, region

    @cached_property
    def caller(self) -> Json:
        """Who is signed in: `AccountId` and `Arn`."""
        return self._api.call(STS, "GetCallerIdentity", {})

    def zones_of(self, machine: str) -> frozenset[str]:
        """Zones with stock of a machine type."""
        query = {"RegionId": self._region, "DestinationResource": "InstanceType", "InstanceType": machine}
        found = self._api.call(ECS, "DescribeAvailableResource", query)
        return frozenset(
            zone["ZoneId"]
            for zone in parts(part(found, "AvailableZones"), "AvailableZone")
            for resource in parts(part(zone, "AvailableResources"), "AvailableResource")
            for item in parts(part(resource, "SupportedResources"), "SupportedResource")
            if item["Value"] == machine and item["Status"] == "Available"
        )

    def vcpus(self, machines: Iterable[str]) -> Mapping[str, int]:
        """Virtual processors of machine types."""
        query = {f"InstanceTypes.{index}": name for index, name in enumerate(machines, 1)}
        found = self._api.call(ECS, "DescribeInstanceTypes", query)
        kinds = parts(part(found, "InstanceTypes"), "InstanceType")
        return {item["InstanceTypeId"]: item["CpuCoreCount"] for item in kinds}

    def attributes(self, names: Iterable[str]) -> Mapping[str, float]:
        """Limits and usage of the account in the region, by name."""
        query = {f"AttributeName.{index}": name for index, name in enumerate(names, 1)}
        found = self._api.call(ECS, "DescribeAccountAttributes", {"RegionId": self._region, **query})
        items = parts(part(found, "AccountAttributeItems"), "AccountAttributeItem")
        values = {item["AttributeName"]: parts(part(item, "AttributeValues"), "ValueItem") for item in items}
        return {name: float(several[0]["Value"]) for name, several in values.items() if several}

    def releases(self) -> Mapping[str, dt.date | None]:
        """ACK's releases that can be installed, with the end of their support."""
        query = {"Region": self._region, "ClusterType": "ManagedKubernetes"}
        found = self._api.get(CS, "/api/v1/metadata/versions", query)
        return {item["version"]: _day(item.get("expiration_date")) for item in found if item.get("creatable", True)}

    def reservation(self, name: str) -> Reservation | None:
        """A private pool."""
        kind = _PRIVATE_POOLS[name.partition("-")[0]]
        query = {"RegionId": self._region, "PrivatePoolOptions.Ids": json.dumps([name])}
        found = self._api.call(ECS, f"Describe{kind}s", query)
        for item in parts(part(found, f"{kind}Set"), f"{kind}Item"):
            for given in parts(part(item, "AllocatedResources"), "AllocatedResource"):
                free = given["TotalAmount"] - given["UsedAmount"]
                return Reservation(state=item["Status"], machine=given["InstanceType"], zone=given["zoneId"], free=free)
        return None


def _day(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text[:10]) if text else None


class Alibaba:
    """The APIs as whoever is signed in (the credentials SDK's default order)."""

    def __init__(self, region: str) -> None:
        self._region = region

    def call(self, service: Service, action: str, query: Mapping[str, str]) -> Json:
        """The answer to an action by name."""
        return cast("Json", self._ask(service, query, action=action, style="RPC", method="POST", body_type="json"))

    def get(self, service: Service, path: str, query: Mapping[str, str]) -> list[Json]:
        """The list at a path."""
        ask = partial(self._ask, service, query, action="Get", style="ROA", method="GET", body_type="array")
        return cast("list[Json]", ask(pathname=path))

    @cached_property
    def _credentials(self) -> Any:  # noqa: ANN401 - the SDK may be absent
        make: Callable[[], Any] = load("ack", "alibabacloud_credentials.client").Client
        try:
            client = make()
            client.get_credential()  # or what is missing would look like a broken connection later
        except Exception as error:
            raise _signed_out(error) from error
        return client

    def _ask(self, service: Service, query: Mapping[str, str], *, pathname: str = "/", **how: str) -> object:
        models = load("ack", "alibabacloud_tea_openapi.utils_models")
        runtime = load("ack", "darabonba.runtime").RuntimeOptions(
            connect_timeout=_MILLISECONDS, read_timeout=_MILLISECONDS
        )
        endpoint = f"{service.product}.{self._region}.aliyuncs.com"
        config = models.Config(credential=self._credentials, endpoint=endpoint, region_id=self._region)
        params = models.Params(
            version=service.version,
            protocol="HTTPS",
            auth_type="AK",
            pathname=pathname,
            req_body_type="json",
            **how,
        )
        client = load("ack", "alibabacloud_tea_openapi.client").Client(config)
        try:
            return client.call_api(params, models.OpenApiRequest(query=dict(query)), runtime)["body"]
        except Exception as error:
            code = str(getattr(error, "code", None) or "")
            if code.startswith(("InvalidAccessKeyId", "InvalidSecurityToken", "SignatureDoesNotMatch")):
                raise _signed_out(error) from error
            if not code:
                raise CannotLookError(f"Alibaba Cloud cannot be asked: {type(error).__name__}") from error
            raise CannotLookError(f"Alibaba Cloud refuses: {code}", "give the right to whoever runs this") from error


def _signed_out(error: Exception) -> NoCredentialsError:
    reason = str(error).partition("\n")[0]
    return NoCredentialsError(
        f"no Alibaba Cloud credentials: {reason}", "aliyun configure; see alibabacloud_credentials"
    )

"""What Azure Resource Manager tells before a cluster is made, by its REST documents. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any, Protocol

from .checks import CannotLookError, NoCredentialsError, Reservation
from .documents import Json, part, parts, texts
from .sdk import load

_HOST = "https://management.azure.com"


class Arm(Protocol):
    """Azure Resource Manager, looked at."""

    def get(self, path: str, version: str, **query: str) -> Json | None:
        """A document, a list with all of its pages; None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Size:
    """What one VM size is in one region."""

    vcpus: int
    family: str
    zones: frozenset[str]  # that the subscription may use


class Facts:
    """What Azure Resource Manager tells, read."""

    def __init__(self, arm: Arm, subscription: str, region: str) -> None:
        self._arm, self._region = arm, region
        self._root = f"/subscriptions/{subscription}"

    @cached_property
    def subscription(self) -> Json:
        """The subscription itself."""
        return self._need(self._root, "2022-12-01")

    @cached_property
    def sizes(self) -> Mapping[str, Size]:
        """VM sizes that the region sells."""
        query = {"$filter": f"location eq '{self._region}'"}
        found = self._need(f"{self._root}/providers/Microsoft.Compute/skus", "2021-07-01", **query)
        return {item["name"]: _size(item) for item in found["value"] if item["resourceType"] == "virtualMachines"}

    def zones_of(self, machines: set[str]) -> Mapping[str, frozenset[str]]:
        """Zones in which the subscription may have VM sizes."""
        return {name: size.zones for name, size in self.sizes.items() if name in machines}

    def usages(self) -> Mapping[str, tuple[float, float]]:
        """Quotas by name in lower case: in use, and limit."""
        path = f"{self._root}/providers/Microsoft.Compute/locations/{self._region}/usages"
        found = self._need(path, "2024-07-01")["value"]
        return {item["name"]["value"].lower(): (item["currentValue"], item["limit"]) for item in found}

    def versions(self) -> list[str]:
        """Kubernetes minor versions that AKS installs."""
        place = f"{self._root}/providers/Microsoft.ContainerService/locations/{self._region}"
        found = self._need(f"{place}/kubernetesVersions", "2024-02-01")["values"]
        plan = "KubernetesOfficial"  # what is left of older versions is sold as long-term support only
        return [
            item["version"]
            for item in found
            if not item.get("isPreview") and plan in (texts(part(item, "capabilities"), "supportPlan") or [plan])
        ]

    def providers(self) -> Mapping[str, str]:
        """Resource providers, and whether they are registered."""
        found = self._need(f"{self._root}/providers", "2021-04-01")["value"]
        return {item["namespace"]: item["registrationState"] for item in found}

    def feature(self, name: str) -> str:
        """The state of a feature; empty where there is none."""
        space, _, own = name.partition("/")
        path = f"{self._root}/providers/Microsoft.Features/providers/{space}/features/{own}"
        return part(self._arm.get(path, "2021-07-01") or {}, "properties").get("state", "")

    def reservation(self, group: str, machine: str) -> Reservation | None:
        """The reservation of a machine in a group."""
        found = self._arm.get(f"{group}/capacityReservations", "2024-07-01")
        for item in parts(found or {}, "value"):
            if item["sku"]["name"] == machine:
                used = len(parts(item["properties"], "virtualMachinesAssociated"))
                zone = (texts(item, "zones") or [""])[0]
                state = item["properties"]["provisioningState"]
                return Reservation(state=state, machine=machine, zone=zone, free=item["sku"]["capacity"] - used)
        return None

    def _need(self, path: str, version: str, **query: str) -> Json:
        found = self._arm.get(path, version, **query)
        if found is None:
            raise CannotLookError(
                f"Azure knows nothing at {path}", "give Reader on the subscription to whoever runs this"
            )
        return found


def _size(item: Json) -> Size:
    """One VM size; zones in which the subscription may not have it are left out."""
    facts = {fact["name"]: fact["value"] for fact in parts(item, "capabilities")}
    zones = {zone for place in parts(item, "locationInfo") for zone in texts(place, "zones")}
    for restriction in parts(item, "restrictions"):
        closed = restriction["type"] == "Location"
        zones -= zones if closed else set(texts(restriction["restrictionInfo"], "zones"))
    return Size(vcpus=int(facts.get("vCPUs", 0)), family=item["family"], zones=frozenset(zones))


class ResourceManager:
    """Azure Resource Manager as whoever is signed in (azure-identity's default order)."""

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - the SDK may be absent
        credential = load("aks", "azure.identity").DefaultAzureCredential()
        policies = load("aks", "azure.core.pipeline.policies")
        sign = policies.BearerTokenCredentialPolicy(credential, f"{_HOST}/.default")
        return load("aks", "azure.core").PipelineClient(_HOST, policies=[policies.RetryPolicy(retry_total=2), sign])

    def get(self, path: str, version: str, **query: str) -> Json | None:
        """A document, a list with all of its pages; None if there is none."""
        found = self._ask(f"{_HOST}{path}", {"api-version": version, **query})
        following = (found or {}).get("nextLink")
        while found is not None and following:
            page = self._ask(following, {}) or {}
            found["value"] += parts(page, "value")
            following = page.get("nextLink")
        return found

    def _ask(self, address: str, query: Mapping[str, str]) -> Json | None:
        errors = load("aks", "azure.core.exceptions")
        request = load("aks", "azure.core.rest").HttpRequest("GET", address, params=dict(query))
        try:
            answer = self._client.send_request(request)
        except errors.ClientAuthenticationError as error:
            reason = str(error).partition("\n")[0]
            raise NoCredentialsError(f"no Azure credentials: {reason}", "az login, or see azure-identity") from error
        except errors.AzureError as error:
            raise CannotLookError(f"Azure cannot be asked: {type(error).__name__}") from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            raise NoCredentialsError("Azure refuses the credentials", "az login --tenant TENANT")
        if answer.status_code != HTTPStatus.OK:
            code = part(answer.json(), "error").get("code", answer.status_code)
            raise CannotLookError(f"Azure refuses: {code}", "give Reader on the subscription to whoever runs this")
        return answer.json()

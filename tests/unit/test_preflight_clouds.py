"""Pre-flight on Azure, Google Cloud and Alibaba Cloud: documents as their REST references show them, judged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from infra.ack.options import AckOptions
from infra.aks.options import AksOptions
from infra.clouds import CloudNetwork
from infra.contract import Capacity, ClusterSpec, Environment, EnvironmentOptions, Gpu, Pool, Role, Tpu
from infra.gke.options import GkeOptions
from infra.preflight import Plan, ack, aks, gke
from infra.preflight.alibaba import Service
from infra.preflight.checks import CannotLookError, Check, Live, Outcome
from infra.preflight.runner import run
from tests.support.cloud_samples import OWNERSHIP

Json = dict[str, Any]
TODAY = dt.date(2026, 11, 21)
TENANT, SUBSCRIPTION = "66666666-7777-4888-8999-aaaaaaaaaaaa", "11111111-2222-4333-8444-555555555555"
H100 = Gpu(product="NVIDIA-H100-80GB-HBM3", count=8, memory_mib=81559)


def nothing() -> Live:
    raise CannotLookError("no cluster is there")


def outcomes(made: tuple[Check, ...]) -> dict[str, tuple[Outcome, str]]:
    return {item.check.id: (item.finding.outcome, item.finding.reason) for item in run(made)}


def planned(
    environment: Environment, region: str, options: EnvironmentOptions, pools: Mapping[str, Pool]
) -> ClusterSpec:
    return ClusterSpec(environment=environment, name="ml", region=region, version="1.35", pools=pools, options=options)


def plan(spec: ClusterSpec) -> Plan:
    return Plan(spec=spec, today=TODAY, live=nothing)


class Arm:
    """Azure Resource Manager as a table of what its paths hold."""

    def __init__(self, held: Mapping[str, Json]) -> None:
        self.held = dict(held)

    def get(self, path: str, version: str, **query: str) -> Json | None:
        assert dt.date.fromisoformat(version) < TODAY
        assert query in ({}, {"$filter": "location eq 'westeurope'"})
        return self.held.get(path)


class Google:
    """Google Cloud's APIs as a table; machine types are asked for one at a time, all zones of the world at once."""

    def __init__(self, held: Mapping[str, Json]) -> None:
        self.held = dict(held)

    def get(self, address: str, **query: str | list[str]) -> Json | None:
        if not address.endswith("aggregated/machineTypes"):
            return self.held.get(address)
        assert str(query["filter"]).startswith('name = "')
        sold: Json = {"machineTypes": [{"guestCpus": 8}]}
        here = dict.fromkeys(("zones/europe-west4-a", "zones/europe-west4-b"), sold)
        return {
            "items": {**here, "zones/us-east4-b": sold, "zones/europe-west4-c": {"warning": {"code": "NO_RESULTS"}}}
        }

    def caller(self) -> str:
        return "robot@ml.iam.gserviceaccount.com"


def failures(found: Mapping[str, tuple[Outcome, str]]) -> dict[str, str]:
    return {name: reason for name, (outcome, reason) in found.items() if outcome is Outcome.FAIL}


class TestAzure:
    POOLS: Mapping[str, Pool] = {
        "system": Pool(role=Role.SYSTEM, machine="Standard_D8ds_v5", min=2, max=3),
        "h100": Pool(
            role=Role.GPU, machine="Standard_ND96isr_H100_v5", min=0, max=2, gpu=H100, zones=("1",), together=True
        ),
    }

    def spec(self, services: str = "172.20.0.0/16", **changes: Any) -> ClusterSpec:  # noqa: ANN401
        options = AksOptions(
            ownership=OWNERSHIP,
            subscription=SUBSCRIPTION,
            tenant=TENANT,
            admins=(TENANT,),
            network=CloudNetwork(services=services),
        )
        return planned(Environment.AKS, "westeurope", replace(options, **changes), self.POOLS)

    def arm(self) -> Arm:
        root = f"/subscriptions/{SUBSCRIPTION}"
        compute = f"{root}/providers/Microsoft.Compute"
        features = f"{root}/providers/Microsoft.Features/providers"
        place = f"{root}/providers/Microsoft.ContainerService/locations/westeurope"
        return Arm(
            {
                root: {"state": "Enabled", "tenantId": TENANT},
                f"{root}/providers": {
                    "value": [{"namespace": name, "registrationState": "Registered"} for name in aks.PROVIDERS]
                },
                f"{features}/Microsoft.Compute/features/EncryptionAtHost": {"properties": {"state": "Registered"}},
                f"{features}/Microsoft.ContainerService/features/AKSInfinibandSupport": {
                    "properties": {"state": "Registered"}
                },
                f"{compute}/skus": {
                    "value": [
                        self.sku("Standard_D8ds_v5", "standardDDSv5Family", 8),
                        self.sku("Standard_ND96isr_H100_v5", "standardNDSH100v5Family", 96),
                        {"resourceType": "disks", "name": "Premium_LRS"},
                    ]
                },
                f"{compute}/locations/westeurope/usages": {
                    "value": [
                        {"name": {"value": "standardDDSv5Family"}, "currentValue": 0, "limit": 24},
                        {"name": {"value": "StandardNDSH100v5Family"}, "currentValue": 0, "limit": 192},
                    ]
                },
                f"{place}/kubernetesVersions": {
                    "values": [
                        {"version": "1.35", "capabilities": {"supportPlan": ["KubernetesOfficial"]}},
                        {"version": "1.30", "capabilities": {"supportPlan": ["AKSLongTermSupport"]}},
                        {"version": "1.37", "isPreview": True},
                    ]
                },
            }
        )

    def sku(self, name: str, family: str, vcpus: int) -> Json:
        return {
            "resourceType": "virtualMachines",
            "name": name,
            "family": family,
            "locationInfo": [{"location": "westeurope", "zones": ["1", "2", "3"]}],
            "restrictions": [],
            "capabilities": [{"name": "vCPUs", "value": str(vcpus)}],
        }

    def test_a_plan_that_the_subscription_can_hold_passes(self) -> None:
        found = outcomes(aks.make(plan(self.spec()), self.arm()))
        assert failures(found) == {}
        assert found["aks.quota"][0] is Outcome.PASS

    def test_family_quota_is_judged_with_what_is_in_use(self) -> None:
        arm = self.arm()
        usages = arm.held[f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/usages"]
        usages["value"][1]["currentValue"] = 96
        words = "vCPUs of standardNDSH100v5Family: 192 wanted, 192 there, of which 96 in use"
        assert failures(outcomes(aks.make(plan(self.spec()), arm))) == {"aks.quota": words}

    @pytest.mark.parametrize("restriction", ["Zone", "Location"])
    def test_a_size_that_the_subscription_may_not_have_is_not_offered_there(self, restriction: str) -> None:
        arm = self.arm()
        size = arm.held[f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Compute/skus"]["value"][1]
        size["restrictions"] = [
            {"type": restriction, "restrictionInfo": {"zones": ["1"] if restriction == "Zone" else []}}
        ]
        assert set(failures(outcomes(aks.make(plan(self.spec()), arm)))) == {"aks.machines"}

    def test_features_are_asked_for_only_where_the_plan_needs_them(self) -> None:
        arm = self.arm()
        for path in [path for path in arm.held if "/features/" in path]:
            del arm.held[path]
        reason = failures(outcomes(aks.make(plan(self.spec()), arm)))["aks.features"]
        assert "EncryptionAtHost: not there" in reason
        assert "AKSInfinibandSupport: not there" in reason
        calm = self.spec(host_encryption=False)
        calm = replace(calm, pools={"system": calm.pools["system"]})
        assert "aks.features" not in failures(outcomes(aks.make(plan(calm), arm)))

    def test_another_tenant_fails(self) -> None:
        arm = self.arm()
        arm.held[f"/subscriptions/{SUBSCRIPTION}"]["tenantId"] = SUBSCRIPTION
        assert set(failures(outcomes(aks.make(plan(self.spec()), arm)))) == {"aks.subscription"}

    @pytest.mark.parametrize("version", ["1.30", "1.37"])
    def test_versions_of_long_term_support_and_previews_are_not_offered(self, version: str) -> None:
        given = replace(self.spec(), version=version)
        assert "aks.offered-version" in failures(outcomes(aks.make(plan(given), self.arm())))


class TestGoogle:
    POOLS: Mapping[str, Pool] = {
        "system": Pool(role=Role.SYSTEM, machine="n2-standard-8", min=3, max=6),
        "h100": Pool(
            role=Role.GPU,
            machine="a3-highgpu-8g",
            min=0,
            max=2,
            gpu=H100,
            zones=("europe-west4-b",),
            capacity=Capacity.RESERVED,
            reservation="ml-h100",
        ),
        "l4": Pool(
            role=Role.GPU,
            machine="g2-standard-8",
            min=0,
            max=4,
            gpu=Gpu(product="NVIDIA-L4", count=1, memory_mib=23034),
            capacity=Capacity.SPOT_OR_ON_DEMAND,
        ),
    }

    def spec(self, pools: Mapping[str, Pool] = POOLS) -> ClusterSpec:
        options = GkeOptions(
            ownership=OWNERSHIP, project="ml-prod", project_number="123456789012", admins=("user:ada@example.com",)
        )
        return planned(Environment.GKE, "europe-west4", options, pools)

    def rest(self) -> Google:
        compute = "compute.googleapis.com/compute/v1/projects/ml-prod"
        services = [{"name": f"projects/1/services/{name}", "state": "ENABLED"} for name in gke.SERVICES]
        quotas = {"N2_CPUS": 48, "NVIDIA_L4_GPUS": 4, "PREEMPTIBLE_NVIDIA_L4_GPUS": 4}
        return Google(
            {
                "cloudresourcemanager.googleapis.com/v3/projects/ml-prod": {
                    "name": "projects/123456789012",
                    "state": "ACTIVE",
                },
                "serviceusage.googleapis.com/v1/projects/ml-prod/services:batchGet": {"services": services},
                compute: {"quotas": [{"metric": "GPUS_ALL_REGIONS", "usage": 0, "limit": 4}]},
                f"{compute}/regions/europe-west4": {
                    "quotas": [{"metric": name, "usage": 0, "limit": limit} for name, limit in quotas.items()]
                },
                "container.googleapis.com/v1/projects/ml-prod/locations/europe-west4/serverConfig": {
                    "channels": [
                        {"channel": "RAPID", "validVersions": ["1.36.1-gke.1"]},
                        {"channel": "REGULAR", "validVersions": ["1.35.6-gke.1127000", "1.34.9-gke.1"]},
                    ]
                },
                f"{compute}/zones/europe-west4-b/reservations/ml-h100": {
                    "status": "READY",
                    "zone": f"https://{compute}/zones/europe-west4-b",
                    "specificReservation": {
                        "count": "4",
                        "inUseCount": "2",
                        "instanceProperties": {"machineType": "a3-highgpu-8g"},
                    },
                },
            }
        )

    def test_a_plan_that_the_project_can_hold_passes(self) -> None:
        found = outcomes(gke.make(plan(self.spec()), self.rest()))
        assert failures(found) == {}
        assert found["gke.quota"][0] is Outcome.PASS

    @pytest.mark.parametrize("metric", ["N2_CPUS", "NVIDIA_L4_GPUS", "PREEMPTIBLE_NVIDIA_L4_GPUS", "GPUS_ALL_REGIONS"])
    def test_each_quota_counts(self, metric: str) -> None:
        rest = self.rest()
        for held in rest.held.values():
            for row in held.get("quotas", []):
                row["usage"] += 1 if row["metric"] == metric else 0
        reason = failures(outcomes(gke.make(plan(self.spec()), rest)))["gke.quota"]
        assert reason.startswith(f"{metric}: ")

    def test_a_gpu_without_a_known_quota_is_no_pass(self) -> None:
        b200 = Gpu(product="NVIDIA-B200", count=8, memory_mib=183359)
        pool = Pool(role=Role.GPU, machine="a4-highgpu-8g", min=0, max=1, gpu=b200)
        pools = {"system": self.POOLS["system"], "b200": pool}
        outcome, reason = outcomes(gke.make(plan(self.spec(pools)), self.rest()))["gke.quota"]
        assert (outcome, "a4-highgpu-8g" in reason) == (Outcome.WARN, True)

    def test_tpus_are_looked_for_in_their_zone(self) -> None:
        tpu = Tpu(product="tpu-v6e-slice", topology="2x2", count=4)
        pool = Pool(role=Role.TPU, machine="ct6e-standard-4t", min=0, max=1, tpu=tpu, zones=("europe-west4-c",))
        found = outcomes(gke.make(plan(self.spec({"system": self.POOLS["system"], "tpu": pool})), self.rest()))
        assert failures(found)["gke.machines"].startswith("ct6e-standard-4t is not offered in europe-west4-c")

    def test_the_number_of_another_project_fails(self) -> None:
        rest = self.rest()
        rest.held["cloudresourcemanager.googleapis.com/v3/projects/ml-prod"]["name"] = "projects/999999"
        assert set(failures(outcomes(gke.make(plan(self.spec()), rest)))) == {"gke.project"}

    def test_only_the_channel_that_the_cluster_follows_counts(self) -> None:
        later = replace(self.spec(), version="1.36")
        assert set(failures(outcomes(gke.make(plan(later), self.rest())))) == {"gke.offered-version"}

    def test_a_reservation_that_is_gone_fails(self) -> None:
        rest = self.rest()
        del rest.held["compute.googleapis.com/compute/v1/projects/ml-prod/zones/europe-west4-b/reservations/ml-h100"]
        assert failures(outcomes(gke.make(plan(self.spec()), rest))) == {
            "gke.reservations": "pools.h100: ml-h100 does not exist"
        }


class TestAlibaba:
    POOLS: Mapping[str, Pool] = {
        "system": Pool(role=Role.SYSTEM, machine="ecs.g8i.2xlarge", min=3, max=4),
        "a10": Pool(
            role=Role.GPU,
            machine="ecs.gn7i-c8g1.2xlarge",
            min=0,
            max=4,
            gpu=Gpu(product="NVIDIA-A10", count=1, memory_mib=23028),
            capacity=Capacity.SPOT,
        ),
    }

    def spec(self) -> ClusterSpec:
        options = AckOptions(
            ownership=OWNERSHIP,
            account="1234567890123456",
            zones=("eu-central-1a", "eu-central-1b"),
            admins=("role/300000000000000001",),
        )
        return planned(Environment.ACK, "eu-central-1", options, self.POOLS)

    def test_a_plan_that_the_account_can_hold_passes(self) -> None:
        found = outcomes(ack.make(plan(self.spec()), Actions()))
        assert failures(found) == {}
        assert found["ack.quota"][0] is Outcome.PASS

    @pytest.mark.parametrize("limit", ["max-postpaid-instance-vcpu-count", "max-spot-instance-vcpu-count"])
    def test_vcpus_are_counted_by_how_they_are_bought(self, limit: str) -> None:
        api = Actions()
        api.attributes[limit] = 31
        assert set(failures(outcomes(ack.make(plan(self.spec()), api)))) == {"ack.quota"}

    def test_a_machine_without_stock_is_not_offered(self) -> None:
        api = Actions()
        api.sold_out.add(("ecs.gn7i-c8g1.2xlarge", "eu-central-1b"))
        reason = failures(outcomes(ack.make(plan(self.spec()), api)))["ack.machines"]
        assert reason == "ecs.gn7i-c8g1.2xlarge is not offered in eu-central-1b; it is in eu-central-1a"

    def test_the_release_itself_must_be_on_sale(self) -> None:
        api = Actions()
        api.creatable = False
        assert set(failures(outcomes(ack.make(plan(self.spec()), api)))) == {"ack.offered-version"}

    def test_another_account_fails(self) -> None:
        api = Actions()
        api.account = "9999999999999999"
        assert set(failures(outcomes(ack.make(plan(self.spec()), api)))) == {"ack.account"}


class Actions:
    """Alibaba Cloud's actions, answered as its API reference shows."""

    def __init__(self) -> None:
        self.account = "1234567890123456"
        self.attributes = {"max-postpaid-instance-vcpu-count": 32, "max-spot-instance-vcpu-count": 32}
        self.sold_out = set[tuple[str, str]]()
        self.creatable = True

    def call(self, service: Service, action: str, query: Mapping[str, str]) -> Json:
        assert service.product in ("sts", "ecs")
        match action:
            case "GetCallerIdentity":
                return {"AccountId": self.account, "Arn": f"acs:ram::{self.account}:user/ada"}
            case "DescribeAvailableResource":
                machine = query["InstanceType"]
                zones = [self.zone(zone, machine) for zone in ("eu-central-1a", "eu-central-1b")]
                return {"AvailableZones": {"AvailableZone": zones}}
            case "DescribeInstanceTypes":
                kinds = [value for key, value in query.items() if key.startswith("InstanceTypes.")]
                found = [{"InstanceTypeId": kind, "CpuCoreCount": 8} for kind in kinds]
                return {"InstanceTypes": {"InstanceType": found}}
            case _:
                assert action == "DescribeAccountAttributes"
                items = [
                    {"AttributeName": name, "AttributeValues": {"ValueItem": [{"Value": str(value)}]}}
                    for name, value in self.attributes.items()
                ]
                return {"AccountAttributeItems": {"AccountAttributeItem": items}}

    def zone(self, zone: str, machine: str) -> Json:
        status = "SoldOut" if (machine, zone) in self.sold_out else "Available"
        resource = {"Type": "InstanceType", "SupportedResources": {"SupportedResource": [
            {"Value": machine, "Status": status}
        ]}}  # fmt: skip
        return {"ZoneId": zone, "AvailableResources": {"AvailableResource": [resource]}}

    def get(self, service: Service, path: str, query: Mapping[str, str]) -> list[Json]:
        assert (service.product, path) == ("cs", "/api/v1/metadata/versions")
        assert query["ClusterType"] == "ManagedKubernetes"
        return [
            {"version": "1.35.7-aliyun.1", "creatable": self.creatable, "expiration_date": "2027-02-28T15:59:59Z"},
            {"version": "1.34.3-aliyun.1", "creatable": True, "expiration_date": "2026-09-30T15:59:59Z"},
        ]

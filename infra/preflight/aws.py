"""What an AWS account tells before a cluster is made in it, through boto3. Judges nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from .checks import CannotLookError, NoCredentialsError, Reservation
from .sdk import load


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is signed in."""

    account: str
    arn: str


class Account(Protocol):
    """What the checks ask of an account in one region."""

    def caller(self) -> Caller:
        """Who is signed in."""
        ...

    def zones_of(self, machines: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """Zones in which machine types are offered."""
        ...

    def vcpus(self, machines: Iterable[str]) -> Mapping[str, int]:
        """Virtual processors of machine types."""
        ...

    def quota(self, service: str, code: str) -> float:
        """A quota's value."""
        ...

    def addresses(self) -> int:
        """Elastic IPs that are taken."""
        ...

    def versions(self) -> Mapping[str, dt.date | None]:
        """Kubernetes versions that can be installed, with the end of their standard support."""
        ...

    def reservation(self, name: str) -> Reservation | None:
        """A capacity reservation."""
        ...


class Aws:
    """The account of whoever is signed in, through boto3."""

    def __init__(self, region: str) -> None:
        self._region = region

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - boto3 may be absent
        return load("eks", "boto3").session.Session(region_name=self._region)

    def _client(self, service: str) -> Any:  # noqa: ANN401 - clients are made at run time
        session = self._session  # before botocore is named: what is missing is boto3
        config = load("eks", "botocore.config").Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 3})
        return session.client(service, config=config)

    def caller(self) -> Caller:
        """Who is signed in."""
        with _asking():
            found = self._client("sts").get_caller_identity()
        return Caller(account=found["Account"], arn=found["Arn"])

    def zones_of(self, machines: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """Zones in which machine types are offered."""
        zones: dict[str, set[str]] = {}
        filters = [{"Name": "instance-type", "Values": list(machines)}]
        with _asking():
            pages = self._client("ec2").get_paginator("describe_instance_type_offerings")
            for page in pages.paginate(LocationType="availability-zone", Filters=filters):
                for item in page["InstanceTypeOfferings"]:
                    zones.setdefault(item["InstanceType"], set()).add(item["Location"])
        return {machine: frozenset(found) for machine, found in zones.items()}

    def vcpus(self, machines: Iterable[str]) -> Mapping[str, int]:
        """Virtual processors of machine types."""
        filters = [{"Name": "instance-type", "Values": list(machines)}]
        with _asking():
            pages = self._client("ec2").get_paginator("describe_instance_types").paginate(Filters=filters)
            found = [item for page in pages for item in page["InstanceTypes"]]
        return {item["InstanceType"]: item["VCpuInfo"]["DefaultVCpus"] for item in found}

    def quota(self, service: str, code: str) -> float:
        """A quota's value."""
        with _asking():
            found = self._client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
        return found["Quota"]["Value"]

    def addresses(self) -> int:
        """Elastic IPs that are taken."""
        with _asking():
            return len(self._client("ec2").describe_addresses()["Addresses"])

    def versions(self) -> Mapping[str, dt.date | None]:
        """Kubernetes versions that can be installed."""
        with _asking():
            pages = self._client("eks").get_paginator("describe_cluster_versions").paginate()
            found = [item for page in pages for item in page["clusterVersions"]]
        return {
            item["clusterVersion"]: end.date() if (end := item.get("endOfStandardSupportDate")) else None
            for item in found
        }

    def reservation(self, name: str) -> Reservation | None:
        """A capacity reservation."""
        filters = [{"Name": "capacity-reservation-id", "Values": [name]}]  # an id that is not there is no error then
        with _asking():
            found = self._client("ec2").describe_capacity_reservations(Filters=filters)["CapacityReservations"]
        return next(
            (
                Reservation(
                    state=item["State"],
                    machine=item["InstanceType"],
                    zone=item["AvailabilityZone"],
                    free=item["AvailableInstanceCount"] if item["State"] == "active" else item["TotalInstanceCount"],
                )
                for item in found
            ),
            None,
        )


_SIGNED_OUT = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")


@contextmanager
def _asking() -> Generator[None]:
    """AWS's refusals in our words."""
    errors = load("eks", "botocore.exceptions")
    sign_in = "sign in, for example with `aws sso login`, and try `aws sts get-caller-identity`"
    try:
        yield
    except (errors.NoCredentialsError, errors.PartialCredentialsError, errors.TokenRetrievalError) as error:
        raise NoCredentialsError(f"no AWS credentials: {error}", sign_in) from error
    except errors.ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _SIGNED_OUT:
            raise NoCredentialsError(f"AWS refuses the credentials: {code}", sign_in) from error
        raise CannotLookError(f"AWS refuses: {code}", "give the permission to whoever runs this") from error
    except errors.BotoCoreError as error:
        raise CannotLookError(f"AWS cannot be asked: {error}") from error

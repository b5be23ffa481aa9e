"""What Google Cloud's APIs tell before a cluster is made, by their REST documents. Judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, Protocol

from .checks import CannotLookError, NoCredentialsError, Reservation
from .documents import Json, part, parts, texts
from .sdk import load

_SCOPE = "https://www.googleapis.com/auth/cloud-platform.read-only"
_SECONDS = 20


class Rest(Protocol):
    """Google Cloud's APIs, looked at."""

    def get(self, address: str, **query: str | list[str]) -> Json | None:
        """A document of `<service>.googleapis.com/...`; None if there is none."""
        ...

    def caller(self) -> str:
        """Who is signed in."""
        ...


class Facts:
    """What the APIs tell about one project and region, read."""

    def __init__(self, rest: Rest, project: str, region: str) -> None:
        self._rest, self._project, self._region = rest, project, region
        self._compute = f"compute.googleapis.com/compute/v1/projects/{project}"

    @cached_property
    def project(self) -> Json:
        """The project itself."""
        return self._need(f"cloudresourcemanager.googleapis.com/v3/projects/{self._project}")

    def services(self, names: Iterable[str]) -> Mapping[str, str]:
        """APIs, and whether they are switched on."""
        root = f"projects/{self._project}"
        wanted = [f"{root}/services/{name}" for name in names]
        found = self._need(f"serviceusage.googleapis.com/v1/{root}/services:batchGet", names=wanted)
        return {item["name"].rpartition("/")[2]: item["state"] for item in parts(found, "services")}

    def machine(self, name: str) -> Mapping[str, int]:
        """Zones of the region that sell a machine type, with its processors."""
        found = self._need(f"{self._compute}/aggregated/machineTypes", filter=f'name = "{name}"')
        cpus: dict[str, int] = {}
        for place, listed in part(found, "items").items():
            zone, kinds = place.rpartition("/")[2], parts(listed, "machineTypes")
            if kinds and zone.rpartition("-")[0] == self._region:
                cpus[zone] = kinds[0]["guestCpus"]
        return cpus

    def quotas(self) -> Mapping[str, tuple[float, float]]:
        """Quotas of the region and of the project: in use, and limit."""
        rows = [
            *parts(self._need(self._compute), "quotas"),
            *parts(self._need(f"{self._compute}/regions/{self._region}"), "quotas"),
        ]
        return {row["metric"]: (row["usage"], row["limit"]) for row in rows}

    def versions(self) -> list[str]:
        """Kubernetes minor versions of the regular channel."""
        place = f"projects/{self._project}/locations/{self._region}"
        found = self._need(f"container.googleapis.com/v1/{place}/serverConfig")
        channels = {item["channel"]: texts(item, "validVersions") for item in parts(found, "channels")}
        return sorted({".".join(version.split(".")[:2]) for version in channels.get("REGULAR", [])})

    def reservation(self, name: str, zone: str) -> Reservation | None:
        """A reservation, of this project or of one that shares it."""
        project, _, own = name.removeprefix("projects/").rpartition("/reservations/")
        root = f"compute.googleapis.com/compute/v1/projects/{project or self._project}"
        found = self._rest.get(f"{root}/zones/{zone}/reservations/{own or name}")
        if found is None:
            return None
        specific = part(found, "specificReservation")
        return Reservation(
            state=found["status"],
            machine=part(specific, "instanceProperties").get("machineType", ""),
            zone=found["zone"].rpartition("/")[2],
            free=int(specific.get("count", 0)) - int(specific.get("inUseCount", 0)),
        )

    def _need(self, address: str, **query: str | list[str]) -> Json:
        found = self._rest.get(address, **query)
        if found is None:
            raise CannotLookError(
                f"Google knows nothing at {address}", "see cluster.options.project and cluster.region"
            )
        return found


class GoogleApis:
    """The APIs as whoever is signed in (Application Default Credentials)."""

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - the SDK may be absent
        errors = load("gke", "google.auth.exceptions")
        try:
            credentials, _ = load("gke", "google.auth").default(scopes=[_SCOPE])
        except errors.GoogleAuthError as error:
            raise _signed_out(error) from error
        return load("gke", "google.auth.transport.requests").AuthorizedSession(credentials)

    def caller(self) -> str:
        """Who is signed in; people's own credentials do not tell."""
        return getattr(self._session.credentials, "service_account_email", "") or "a person, by gcloud"

    def get(self, address: str, **query: str | list[str]) -> Json | None:
        """A document; None if there is none."""
        session = self._session
        errors, network = load("gke", "google.auth.exceptions"), load("gke", "requests.exceptions")
        try:
            answer = session.get(f"https://{address}", params=query, timeout=_SECONDS)
        except errors.GoogleAuthError as error:
            raise _signed_out(error) from error
        except network.RequestException as error:
            raise CannotLookError(f"Google Cloud cannot be asked: {type(error).__name__}") from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            raise NoCredentialsError("Google refuses the credentials", "gcloud auth application-default login")
        if answer.status_code != HTTPStatus.OK:
            reason = part(answer.json(), "error").get("status", answer.status_code)
            raise CannotLookError(f"Google refuses: {reason}", "give roles/viewer on the project to whoever runs this")
        return answer.json()


def _signed_out(error: Exception) -> NoCredentialsError:
    reason = str(error).partition("\n")[0].partition(". ")[0]
    return NoCredentialsError(f"no Google credentials: {reason}", "gcloud auth application-default login")

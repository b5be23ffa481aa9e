"""Until when each environment supports a Kubernetes minor version, as a dated table. Data, and a judgement of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from infra.contract import Environment

from .checks import Finding, failed, passed, warned

AS_OF = dt.date(2026, 11, 21)
_SOON = dt.timedelta(days=90)  # a quarter: about what a tried upgrade of a platform takes

# Ends of standard support. EKS: release calendar (2026-04). AKS: release calendar, months only (2026-08). GKE: release
# schedule of the regular channel (2026-04). ACK: Kubernetes versions supported by ACK (2026-10). vSphere: the
# Kubernetes project itself, whose releases kubeadm installs.
SUPPORT: Mapping[Environment, Mapping[str, dt.date]] = {
    Environment.EKS: {
        "1.33": dt.date(2026, 7, 29),
        "1.34": dt.date(2026, 12, 2),
        "1.35": dt.date(2027, 3, 27),
    },
    Environment.AKS: {"1.34": dt.date(2026, 11, 30), "1.35": dt.date(2027, 3, 31)},
    Environment.GKE: {
        "1.33": dt.date(2026, 8, 3),
        "1.34": dt.date(2026, 10, 1),
        "1.35": dt.date(2027, 4, 11),
    },
    Environment.ACK: {
        "1.33": dt.date(2026, 5, 31),
        "1.34": dt.date(2026, 9, 30),
        "1.35": dt.date(2027, 2, 28),
        "1.36": dt.date(2027, 5, 30),
    },
    Environment.VSPHERE: {"1.34": dt.date(2026, 10, 27), "1.35": dt.date(2027, 2, 28)},
}


def judge(environment: Environment, version: str, today: dt.date) -> Finding:
    """What the table says of a version."""
    known = SUPPORT.get(environment)
    if known is None:
        return passed(f"{version}; nobody but the cluster's owner decides how long")
    end = known.get(version)
    choices = ", ".join(minor for minor, last in known.items() if last - today > _SOON) or "none that is known here"
    if end is None:
        return warned(f"{version} is not in the table of {AS_OF}", f"known to be supported for long enough: {choices}")
    if end < today:
        return failed(f"support of {version} ended on {end} (table of {AS_OF})", f"set cluster.version: {choices}")
    if end - today <= _SOON:
        return warned(
            f"support of {version} ends on {end} (table of {AS_OF})", f"start with cluster.version: {choices}"
        )
    return passed(f"{version} is supported until {end} (table of {AS_OF})")


def confirmed(version: str, offered: Mapping[str, dt.date | None], today: dt.date) -> Finding:
    """What the environment itself says: the versions that it installs, with the end of their support if it tells."""
    if version not in offered:
        return failed(f"{version} cannot be installed; offered: {', '.join(sorted(offered))}", "set cluster.version")
    end = offered[version]
    if end is None:
        return passed(f"{version} is offered")
    if end < today:
        return failed(
            f"support of {version} ended on {end}", f"set cluster.version: one of {', '.join(sorted(offered))}"
        )
    return passed(f"{version} is offered, and supported until {end}")

"""Evidence for the CNCF's Kubernetes AI conformance checklist (cncf/k8s-ai-conformance, PRODUCT.yaml of v1.35).

Only what a run measured in a cluster is said. A requirement without a measured criterion has no status, and a simulated
node proves nothing about an accelerator.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .model import Run, Verdict, measured

CHECKLIST = "1.35"


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """One line of the checklist, and the criteria that speak about it."""

    id: str
    level: str
    criteria: tuple[str, ...]  # each of them a part of what it asks for


_CHECKLIST: Mapping[str, tuple[Requirement, ...]] = {
    "accelerators": (
        Requirement(id="dra_support", level="MUST", criteria=()),
        Requirement(id="driver_runtime_management", level="SHOULD", criteria=()),
        Requirement(id="gpu_sharing", level="SHOULD", criteria=()),
        Requirement(id="virtualized_accelerator", level="SHOULD", criteria=()),
    ),
    "networking": (Requirement(id="ai_inference", level="MUST", criteria=()),),
    "schedulingOrchestration": (
        Requirement(id="gang_scheduling", level="MUST", criteria=()),
        Requirement(id="cluster_autoscaling", level="MUST", criteria=()),
        Requirement(id="pod_autoscaling", level="MUST", criteria=()),
    ),
    "observability": (
        Requirement(id="accelerator_metrics", level="MUST", criteria=()),
        Requirement(id="ai_service_metrics", level="MUST", criteria=()),
    ),
    "security": (
        Requirement(id="secure_accelerator_access", level="MUST", criteria=("scheduling.gpu-nodes-are-for-gpu-pods",)),
    ),
    "operator": (Requirement(id="robust_controller", level="MUST", criteria=()),),
}


def named() -> frozenset[str]:
    """Every criterion that the table speaks of."""
    return frozenset(name for rows in _CHECKLIST.values() for row in rows for name in row.criteria)


def report(run: Run) -> str:
    """The checklist as YAML. Texts are quoted as JSON, which YAML reads."""
    return "\n".join(_lines(run)) + "\n"


def _lines(run: Run) -> Iterator[str]:
    yield "# Kubernetes AI conformance: evidence of one validation run; what is empty was not measured by it."
    yield f"# {_one_line(measured(run))}"
    yield "metadata:"
    yield f"  kubernetesVersion: {json.dumps(run.server)}"
    yield '  platformName: "kubeflow-proof"'
    yield f"  checklist: {json.dumps(CHECKLIST)}"
    yield f"  run: {json.dumps(run.run)}"
    yield "spec:"
    for category, rows in _CHECKLIST.items():
        yield f"  {category}:"
        for row in rows:
            yield from _row(row, run)


def _row(row: Requirement, run: Run) -> Iterator[str]:
    found = [one for one in run.criteria if one.id in row.criteria and _counts(one, run)]
    yield f"  - id: {row.id}"
    yield f"    level: {row.level}"
    yield f"    status: {json.dumps(_status(found))}"
    if found:
        yield "    evidence:"
        yield from (f"    - {json.dumps(f'result.json#{one.id}')}" for one in found)
    else:
        yield "    evidence: []"
    yield f"    notes: {json.dumps(_notes(found, run))}"


def _counts(one: Verdict, run: Run) -> bool:
    return one.backend == "cluster" and one.outcome in ("PASS", "FAIL") and not any(n.simulated for n in run.nodes)


def _status(found: list[Verdict]) -> str:
    if not found:
        return ""
    if any(one.outcome == "FAIL" for one in found):
        return "Not Implemented"
    return "Partially Implemented"


def _notes(found: list[Verdict], run: Run) -> str:
    if found:
        return "; ".join(f"{one.id}: {one.outcome}, {one.reason}" for one in found)
    if any(node.simulated for node in run.nodes):
        return "not measured: the nodes of this run are simulated"
    return "not measured by this run"


def _one_line(text: str) -> str:
    return " ".join(text.split())

"""The platform's front door as a static page from the stack's outputs: needs neither a server nor a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from workloads.report.html import badge
from workloads.report.markup import Content, Markup, details, lines, listed, table, tag
from workloads.report.model import OUTCOMES, Run, Verdict, measured
from workloads.report.page import page
from workloads.report.stack import Json, Stack

Link = tuple[str, str]  # title, address

# What people call the paths of the gateway.
_TITLES = {
    "/": "Kubeflow", "/jupyter/": "Notebooks", "/katib/": "Tuning",
    "/kserve-endpoints/": "Models", "/mlflow/": "Experiments", "/pipeline": "Pipelines",
    "/tensorboards/": "TensorBoards", "/volumes/": "Volumes",
}  # fmt: skip
_MOST_PROBLEMS = 12
_FORWARDED = "http://localhost:3000"
_FORWARD = "kubectl --namespace monitoring port-forward service/kube-prometheus-stack-grafana 3000:80"


def portal(
    stack: Stack, run: Run | None, *, reports: Sequence[Link] = (), dashboards: Sequence[Link] = (), now: datetime
) -> str:
    """The page. Its health is that of the given run, and says when that was."""
    sections: list[tuple[str, str, Content]] = [
        ("health", "Health", _health(run)),
        ("services", "Services", _services(stack)),
        ("tenants", "Tenants", _tenants(stack)),
        ("machines", "Machines", _machines(stack)),
        ("dashboards", "Dashboards", _dashboards(stack, dashboards)),
        ("reports", "Reports", _links(reports)),
    ]
    lead = f"Environment {stack.environment}, cluster {stack.cluster['name']}, Kubernetes {stack.cluster['version']}. "
    lead += f"Simulated: {'; '.join(stack.standins) or 'nothing'}."
    footer = f"Made {now.isoformat(timespec='seconds')} from the outputs of the stack ({stack.digest})."
    return page(f"Platform {stack.name}", lead, sections, footer=footer)


def _health(run: Run | None) -> Content:
    if run is None:
        return tag("p", "Not known: this page was made without a run of the validation.")
    counts = [
        tag("div", tag("h3", badge(outcome)), tag("p", str(run.counts[outcome]), class_="big"), class_="card")
        for outcome in OUTCOMES
        if run.counts[outcome]
    ]
    verdict = tag("div", tag("h3", "Verdict"), tag("p", run.verdict, class_="big"), class_="card")
    return [
        tag("p", f"As of {run.finished or run.started}. {measured(run)}"),
        tag("div", lines(verdict, *counts), class_="cards"),
        _problems([one for one in run.criteria if one.outcome in ("FAIL", "ERROR", "INVALID")]),
    ]


def _problems(found: Sequence[Verdict]) -> Content:
    shown = [[badge(one.outcome), " ", one.title, ": ", one.reason] for one in found[:_MOST_PROBLEMS]]
    rest = len(found) - len(shown)
    return [listed(shown) if shown else None, tag("p", f"{rest} more are in the report.") if rest else None]


def _services(stack: Stack) -> Content:
    if not stack.endpoints:
        return tag("p", "No service of this stack is reached through a gateway.")
    people = [one for one in stack.endpoints if one["path"] in _TITLES]
    others = [
        [tag("a", one["path"], href=one["url"]), f", {one['service']}"] for one in stack.endpoints if one not in people
    ]
    closed = "Nothing outside of the cluster reaches the gateway by itself: ask for a forwarded port."
    return [
        None if stack.gateway.get("outside") else tag("p", closed),
        tag("div", lines(*(_service(one) for one in people)), class_="cards"),
        details("Addresses for programs", listed(others)) if others else None,
    ]


def _service(one: Json) -> Markup:
    link = tag("a", _TITLES[one["path"]], href=one["url"])
    return tag("div", tag("h3", link), tag("p", one["path"], class_="soft"), class_="card")


def _tenants(stack: Stack) -> Content:
    if not stack.tenants:
        return tag("p", "No tenant is configured.")
    return [_tenant(stack, name, tenant) for name, tenant in stack.tenants.items()]


def _tenant(stack: Stack, name: str, tenant: Any) -> Markup:  # noqa: ANN401 - JSON
    models = stack.gateway.get("models")
    facts = [
        ("namespace", tenant["namespace"]),
        ("GPUs at most", str(tenant["gpus"])),
        ("service accounts", ", ".join(f"{role}: {account}" for role, account in tenant["serviceAccounts"].items())),
        ("addresses of models", str(models).replace("TENANT", name) if models else "inside the cluster only"),
        *(("ways out", said) for said in _ways_out(stack, name)),
    ]
    return details(name, table(f"Tenant {name}", ("what", "value"), facts), open_=len(stack.tenants) == 1)


def _ways_out(stack: Stack, tenant: str) -> Iterator[str]:
    for layer in stack.layers:
        for edge in layer.openings:
            if edge.tenant == tenant:
                yield f"{edge.target} {edge.label}: {edge.why}"


def _machines(stack: Stack) -> Content:
    rows: list[list[Content]] = []
    for name, pool in stack.cluster["pools"].items():
        gpu = pool["gpu"]
        cards = "-" if gpu is None else f"{gpu['count']} \N{MULTIPLICATION SIGN} {gpu['product']}"
        rows.append([name, pool["role"], f"{pool['min']} to {pool['max']}", cards])
    return table("Pools of nodes", ("pool", "role", "nodes", "GPUs of a node"), rows)


def _dashboards(stack: Stack, given: Sequence[Link]) -> Content:
    """Those that were given, and the stack's own: at the address that it tells, or through a forwarded port."""
    monitoring: Json = stack.outputs.get("monitoring") or {}
    titles: dict[str, str] = monitoring.get("dashboards") or {}
    if not titles:
        return _links(given)
    told = monitoring.get("grafana")
    links = [(title, f"{told or _FORWARDED}/d/{slug}") for slug, title in titles.items()]
    how = "Grafana has no address of its own in this stack. With this command running, the links work:"
    return [
        _links(given),
        None if told else [tag("p", how), tag("pre", _FORWARD)],
        _links(links),
    ]


def _links(links: Sequence[Link]) -> Content:
    return listed([tag("a", title, href=address) for title, address in links]) if links else None

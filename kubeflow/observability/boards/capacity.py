"""Dashboard of machines and shares: nodes and GPUs by pool, quota by tenant, queues, volumes."""

from __future__ import annotations

from kubeflow.observability.facts import Facts

from .model import MANY, Board, Kind, Line, Section, lines

SLUG = "proof-capacity"
_RATE = "$__rate_interval"
_NODE = "No node is watched"


def board(facts: Facts) -> Board:
    """The dashboard of this stack's capacity."""
    return Board(
        slug=SLUG, title="Capacity and quotas", tenants=tuple(facts.tenants),
        about="What the cluster has, who holds it, and who waits.",
        sections=(_pools(facts), _tenants(facts), _queues(facts), _nodes(facts)),
    )  # fmt: skip


def _pools(facts: Facts) -> Section:
    panels = tuple(
        lines(f"Pool {name}", "short", f"Nodes that are there; {pool.nodes} at most.", "0",
              (f'pool:nodes:count{{label_proof_kubeflow_pool="{name}"}}', "nodes"),
              kind=Kind.NUMBER, width=6, height=4, line=Line(value=pool.nodes + 1))
        for name, pool in sorted(facts.pools.items())
    )  # fmt: skip
    return Section(title="Pools", panels=panels)


def _tenants(facts: Facts) -> Section:
    quota = facts.limits.quota_percent
    mine = 'namespace=~"$namespace"'
    gpus = facts.resource or "nvidia.com/gpu"
    used = f'kube_resourcequota{{{mine},type="used"}}'
    held = lines("GPUs by tenant", "short", "Held by running pods.", "No pod holds a GPU",
                 (f"sum by (namespace) (namespace:gpus_held:sum{{{mine}}})", "{{namespace}}"), kind=Kind.BARS,
                 width=24)  # fmt: skip
    shares = tuple(
        lines(f"GPUs of {name}", "short", f"Held by running pods; the quota is {most}.", "0",
              (f'sum(namespace:gpus_held:sum{{namespace="{name}"}})', "held"),
              kind=Kind.NUMBER, width=6, height=4, line=Line(value=most))
        for name, most in sorted(facts.tenants.items())
        if most
    )  # fmt: skip
    panels = (
        lines("Use of quotas", "percentunit", f"From {quota:g} % on, it is an alert.", "No quota is in use",
              (f'{used} / ignoring (type) (kube_resourcequota{{{mine},type="hard"}} > 0)',
               "{{namespace}} {{resource}}"), kind=Kind.BARS, line=Line(value=quota / 100)),
        lines("GPUs in quotas", "short", "Asked for by pods that were admitted, and allowed.", "No tenant has GPUs",
              (f'sum by (namespace) (kube_resourcequota{{{mine},type="used",resource="requests.{gpus}"}})',
               "{{namespace}} used"),
              (f'sum by (namespace) (kube_resourcequota{{{mine},type="hard",resource="requests.{gpus}"}})',
               "{{namespace}} quota")),
        lines("Pods that wait", "short", "Pending pods of tenants: no room, no image, or no volume.", "No pod waits",
              (f'sum by (namespace) (kube_pod_status_phase{{{mine},phase="Pending"}})', "{{namespace}}"),
              line=Line(value=1)),
        lines("Volumes", "percentunit", f"Space in use; {facts.limits.volume_percent:g} % is much.",
              "No volume is mounted", ((f"1 - kubelet_volume_stats_available_bytes{{{mine}}} "
                                       f"/ kubelet_volume_stats_capacity_bytes{{{mine}}}"),
                                       "{{namespace}} {{persistentvolumeclaim}}"),
              kind=Kind.BARS, line=Line(value=facts.limits.volume_percent / 100)),
    )  # fmt: skip
    return Section(title="Tenants", panels=(*(shares if len(shares) <= MANY else (held,)), *panels))


def _queues(facts: Facts) -> Section:
    none = "No job has waited in a queue"
    wait = "rate(kueue_admission_wait_time_seconds_bucket[1h])"
    panels = (
        lines("Jobs that wait", "short", "Admissible ones only; inadmissible ones wait for a change.", none,
              ('sum by (cluster_queue) (kueue_pending_workloads{status="active"})', "{{cluster_queue}}"),
              ('sum by (cluster_queue) (kueue_pending_workloads{status="inadmissible"})',
               "{{cluster_queue}} inadmissible")),
        lines("Waiting time", "s", f"90th percentile of the last hour; {facts.limits.queue_minutes} minutes are long.",
              none, (f"histogram_quantile(0.9, sum by (cluster_queue, le) ({wait}))", "{{cluster_queue}}"),
              line=Line(value=facts.limits.queue_minutes * 60)),
        lines("Admitted and evicted", "short", "Jobs in an hour.", none,
              ("sum by (cluster_queue) (increase(kueue_admitted_workloads_total[1h]))", "{{cluster_queue}} admitted"),
              ("sum by (cluster_queue, reason) (increase(kueue_evicted_workloads_total[1h]))",
               "{{cluster_queue}} evicted: {{reason}}")),
        lines("Quota of queues in use", "short", "Resources that admitted jobs reserve.", none,
              ("sum by (cluster_queue, resource) (kueue_cluster_queue_resource_reservation)",
               "{{cluster_queue}} {{resource}}")),
    )  # fmt: skip
    return Section(title="Queues", panels=panels)


def _nodes(facts: Facts) -> Section:
    requested = f'sum(kube_pod_container_resource_requests{{resource="{facts.gpu}"}})'
    panels = (
        lines("GPUs offered and asked for", "short", "Asked for beyond what is offered waits.", _NODE,
              ("sum(pool:gpus:sum)", "offered"), (requested, "asked for")),
        lines("Nodes that are not ready", "short", "Their pods are moved after five minutes.", "All nodes are ready",
              ('sum by (node) (kube_node_status_condition{condition="Ready",status="true"} == 0) + 1', "{{node}}"),
              kind=Kind.TABLE),
        lines("Processors", "percentunit", "Share in use, by node.", _NODE,
              (f'1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle"}}[{_RATE}]))', "{{instance}}"),
              line=Line(value=0.9)),
        lines("Memory", "percentunit", "Share in use, by node.", _NODE,
              ("1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "{{instance}}"),
              line=Line(value=0.9)),
        lines("Disks", "percentunit", "Share in use, by node and mount.", _NODE,
              (('max by (instance, mountpoint) (1 - node_filesystem_avail_bytes{fstype!=""} '
               '/ node_filesystem_size_bytes{fstype!=""})'), "{{instance}} {{mountpoint}}"), line=Line(value=0.85)),
        lines("Network", "Bps", "Bytes per second into nodes.", _NODE,
              (f'sum by (instance) (rate(node_network_receive_bytes_total{{device!~"lo|veth.*|cali.*"}}[{_RATE}]))',
               "{{instance}}")),
    )  # fmt: skip
    return Section(title="Nodes", panels=panels)

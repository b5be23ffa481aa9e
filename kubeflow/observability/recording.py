"""Recording rules: what several alerts and dashboards compute from the same series. Raises no alert."""

from __future__ import annotations

from collections.abc import Iterator

from .alerts.model import Recording
from .facts import Facts

MODEL = "serving_kserve_io_inferenceservice"  # label of a model's pods, as the tenants' monitor copies it
BY_MODEL = f"namespace, {MODEL}, destination_workload"
BY_SERVICE = "destination_service_namespace, destination_service_name"
WINDOWS = ("5m", "30m", "1h", "6h")

_SEEN = 'reporter="destination"'  # the receiving proxy knows whether a caller proved who it is
_MODELS = f'{_SEEN},{MODEL}!=""'


def recordings(facts: Facts) -> Iterator[Recording]:
    """Every recording rule of one stack."""
    yield from _models(facts)
    yield from _services(facts)
    yield from _gpus(facts)
    yield from _machines(facts)
    yield from _predictions()


def slow(facts: Facts) -> dict[int, tuple[str, ...]]:
    """The limits of models, and the endpoints that have one of their own."""
    found: dict[int, tuple[str, ...]] = {facts.limits.serving_milliseconds: ()}
    for name in sorted(facts.spec.endpoints):
        limit = facts.milliseconds(name)
        if limit != facts.limits.serving_milliseconds:
            found[limit] = (*found.get(limit, ()), name)
    return found


def _models(facts: Facts) -> Iterator[Recording]:
    yield Recording(
        record="model:requests:rate5m",
        expr=f"sum by ({BY_MODEL}) (rate(istio_requests_total{{{_MODELS}}}[5m]))",
    )
    for window in WINDOWS:
        yield Recording(
            record=f"model:errors:ratio_rate{window}",
            expr=f'sum by ({BY_MODEL}) (rate(istio_requests_total{{{_MODELS},response_code=~"5.."}}[{window}])) '
            f"/ sum by ({BY_MODEL}) (rate(istio_requests_total{{{_MODELS}}}[{window}]))",
        )
        yield Recording(record=f"model:slow:ratio_rate{window}", expr=_slow(facts, window))


def _slow(facts: Facts, window: str) -> str:
    """The share of slow predictions: those outside of the bucket that ends at the limit of their model."""
    own = {limit: names for limit, names in slow(facts).items() if names}
    theirs = " or ".join(
        _share(limit, window, f'{_SEEN},namespace="{namespace}",{MODEL}="{model}"')
        for limit, names in own.items()
        for namespace, _, model in (name.partition("/") for name in names)
    )
    usual = _share(facts.limits.serving_milliseconds, window, _MODELS)
    return f"{theirs} or {usual}" if theirs else usual


def _share(limit: int, window: str, matchers: str) -> str:
    name = "istio_request_duration_milliseconds"
    return (
        f"1 - sum by ({BY_MODEL}) (rate({name}_bucket{{{matchers},{_up_to(limit)}}}[{window}])) "
        f"/ sum by ({BY_MODEL}) (rate({name}_count{{{matchers}}}[{window}]))"
    )


def _up_to(limit: int) -> str:
    """The bucket that ends at a limit. Proxies call it 200; Prometheus 3 stores 200.0, Prometheus 2 what it is told."""
    return f'le=~"{limit}([.]0)?"'


def _services(facts: Facts) -> Iterator[Recording]:
    name, inside = "istio_request_duration_milliseconds", f'{_SEEN},source_workload!="istio-ingressgateway"'
    limit = facts.limits.in_cluster_milliseconds
    yield Recording(
        record="service:requests:rate5m", expr=f"sum by ({BY_SERVICE}) (rate(istio_requests_total{{{_SEEN}}}[5m]))"
    )
    yield Recording(
        record="service:errors:ratio_rate5m",
        expr=f'sum by ({BY_SERVICE}) (rate(istio_requests_total{{{_SEEN},response_code=~"5.."}}[5m])) '
        f"/ sum by ({BY_SERVICE}) (rate(istio_requests_total{{{_SEEN}}}[5m]))",
    )
    yield Recording(
        record="service:slow_inside:ratio_rate5m",
        expr=f"1 - sum by ({BY_SERVICE}) (rate({name}_bucket{{{inside},{_up_to(limit)}}}[5m])) "
        f"/ sum by ({BY_SERVICE}) (rate({name}_count{{{inside}}}[5m]))",
    )


def _gpus(facts: Facts) -> Iterator[Recording]:
    active = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
    # Without profiling (old products, some virtual GPUs) the driver's own, coarser number has to do.
    either = f"{active} or (DCGM_FI_DEV_GPU_UTIL / 100 unless on (UUID) {active})"
    yield Recording(
        record="gpu:active:ratio",
        expr="max by (node, UUID, GPU_I_ID, modelName, namespace, pod, container) "
        f'(label_replace({either}, "node", "$1", "Hostname", "(.+)"))',
    )
    requested = f'kube_pod_container_resource_requests{{resource="{facts.gpu}"}}'
    yield Recording(
        record="namespace:gpus_held:sum",
        expr=f"sum by (namespace) (sum by (namespace, pod) ({requested}) "
        '* on (namespace, pod) group_left () (max by (namespace, pod) (kube_pod_status_phase{phase="Running"}) == 1))',
    )
    offered = f'max by (node) (kube_node_status_allocatable{{resource="{facts.gpu}"}})'
    yield Recording(
        record="pool:gpus:sum",
        expr=f"sum by (label_proof_kubeflow_pool) ({offered} "
        "* on (node) group_left (label_proof_kubeflow_pool) kube_node_labels)",
    )


def _machines(facts: Facts) -> Iterator[Recording]:
    yield Recording(record="pool:nodes:count", expr="count by (label_proof_kubeflow_pool) (kube_node_labels)")
    for pool, price in sorted(facts.spec.cost.prices.items()):
        if pool in facts.pools:
            yield Recording(
                record="pool:cost:hourly",
                expr=f'count(kube_node_labels{{label_proof_kubeflow_pool="{pool}"}}) * {price:g}',
                labels={"pool": pool},
            )


def _predictions() -> Iterator[Recording]:
    wrong, known = (f"sum by (namespace, model) (increase({name}[1h]))" for name in (
        "prediction_errors_total", "prediction_labels_total",
    ))  # fmt: skip
    yield Recording(record="model:wrong:ratio_increase1h", expr=f"{wrong} / {known}")

"""Cases of the alerts about models. A model gets 100 requests a minute, some of them slow or failed."""

from __future__ import annotations

from tests.support.rules import Case, always, growing, steady

MODEL = 'namespace="team-a",serving_kserve_io_inferenceservice="{}",destination_workload="p"'
NAME = "istio_request_duration_milliseconds"
WHO = {"namespace": "team-a", "serving_kserve_io_inferenceservice": "iris", "destination_workload": "p"}
FAST = {**WHO, "serving_kserve_io_inferenceservice": "fast"}


def slow(*parts: tuple[float, int], model: str = "iris", bound: int = 200, rate: float = 100) -> dict[str, str]:
    """Per cent of slow requests, for so many minutes each."""
    who = f'reporter="destination",{MODEL.format(model)}'
    return {
        f'{NAME}_bucket{{{who},le="{bound}.0"}}': growing(
            *((rate * (100 - share) / 100, long) for share, long in parts)
        ),
        f"{NAME}_count{{{who}}}": growing(*((rate, long) for _, long in parts)),
        f'istio_requests_total{{{who},response_code="200"}}': growing(*((rate, long) for _, long in parts)),
    }


def failed(*parts: tuple[float, int], code: int = 503, rate: float = 100) -> dict[str, str]:
    """Per cent of requests that end with a code, for so many minutes each."""
    who = f'reporter="destination",{MODEL.format("iris")}'
    return {
        f'istio_requests_total{{{who},response_code="200"}}': growing(
            *((rate * (100 - share) / 100, long) for share, long in parts)
        ),
        f'istio_requests_total{{{who},response_code="{code}"}}': growing(
            *((rate * share / 100, long) for share, long in parts)
        ),
    }


def replicas(current: int, most: int) -> dict[str, str]:
    who = 'namespace="team-a",horizontalpodautoscaler="iris"'
    return {
        f"kube_horizontalpodautoscaler_status_current_replicas{{{who}}}": always(current),
        f"kube_horizontalpodautoscaler_spec_max_replicas{{{who}}}": always(most),
    }


def wrong(errors: float, labels: float) -> dict[str, str]:
    who = 'namespace="team-a",model="iris"'
    return {
        f"prediction_errors_total{{{who}}}": steady(errors, 200),
        f"prediction_labels_total{{{who}}}": steady(labels, 200),
    }


_FAST, _SLOW, _P95 = "ServingLatencyBudgetFast", "ServingLatencyBudgetSlow", "ServingLatencyP95High"
_ERRORS_FAST, _ERRORS_SLOW = "ServingErrorBudgetFast", "ServingErrorBudgetSlow"
_LATENCY = (
    Case(alert=_FAST, name="three of four are slow", past=slow((75, 120)), fires=(WHO,), since=0),
    Case(alert=_FAST, name="a limit of its own counts", past=slow((75, 120), model="fast", bound=50), fires=(FAST,),
         since=0),
    Case(alert=_FAST, name="it is over", past=slow((90, 60), (65, 60)), since=70),
    Case(alert=_FAST, name="it is short", past=slow((10, 60), (90, 20)), since=70),
    Case(alert=_FAST, name="for an hour not slow enough", past=slow((55, 60), (95, 20)), since=74),
    Case(alert=_SLOW, name="for six hours not slow enough", past=slow((25, 330), (40, 60)), since=340),
    Case(alert=_SLOW, name="a third is slow", past=slow((32, 120)), fires=(WHO,), since=0),
    Case(alert=_SLOW, name="it is over", past=slow((60, 200), (27, 100)), since=250),
    Case(alert=_SLOW, name="it is short", past=slow((10, 330), (60, 60)), since=340),
    Case(alert=_P95, name="more than five of a hundred", past=slow((5.5, 120)), fires=(WHO,), since=1),
    Case(alert=_P95, name="four of a hundred", past=slow((4.5, 120)), since=60),
    Case(alert=_P95, name="hardly anybody asks", past=slow((50, 120), rate=11), since=60),
    Case(alert=_P95, name="few ask", past=slow((50, 120), rate=13), fires=(WHO,), since=1),
)  # fmt: skip
_ERRORS = (
    Case(alert=_ERRORS_FAST, name="one and a half of a hundred", past=failed((1.5, 120)), fires=(WHO,), since=0),
    Case(alert=_ERRORS_FAST, name="it is over", past=failed((3, 60), (1.3, 60)), since=70),
    Case(alert=_ERRORS_FAST, name="it is short", past=failed((0, 60), (3, 20)), since=67),
    Case(alert=_ERRORS_FAST, name="callers' mistakes", past=failed((50, 120), code=404), since=60),
    Case(alert=_ERRORS_FAST, name="hardly anybody asks", past=failed((50, 120), rate=11), since=60),
    Case(alert=_ERRORS_FAST, name="few ask", past=failed((50, 120), rate=13), fires=(WHO,), since=5),
    Case(alert=_ERRORS_FAST, name="for an hour not often enough", past=failed((1.1, 60), (1.9, 20)), since=74),
    Case(alert=_ERRORS_SLOW, name="for six hours not often enough", past=failed((0.5, 330), (0.9, 60)), since=340),
    Case(alert=_ERRORS_SLOW, name="seven of a thousand", past=failed((0.65, 120)), fires=(WHO,), since=1),
    Case(alert=_ERRORS_SLOW, name="it is over", past=failed((3, 200), (0.5, 100)), since=250),
    Case(alert=_ERRORS_SLOW, name="it is short", past=failed((0, 330), (3, 60)), since=340),
    Case(alert=_ERRORS_SLOW, name="few ask", past=failed((50, 120), rate=13), fires=(WHO,), since=1),
    Case(alert=_ERRORS_SLOW, name="hardly anybody asks", past=failed((50, 120), rate=11), since=60),
)  # fmt: skip

_SEEN = f'istio_requests_total{{reporter="destination",{MODEL.format("fast")}}}'
_IRIS = f'istio_requests_total{{reporter="destination",{MODEL.format("iris")}}}'
_READY = 'kubeflow_inferenceservice_condition_status{namespace="team-a",name="iris",type="Ready"}'
_PANIC = 'kn_revision_panic_mode{kn_revision_name="iris-1",k8s_namespace_name="team-a"}'
_DEPTH = 'kn_serving_queue_depth{namespace="team-a",pod="p"}'
_DRIFT = 'namespace="team-a",model="iris"'
_MODEL = {"namespace": "team-a", "model": "iris"}
_MISSING = {"reporter": "destination", "namespace": "team-a", "serving_kserve_io_inferenceservice": "iris"}

CASES: tuple[Case, ...] = (
    *_LATENCY,
    *_ERRORS,
    Case(alert="ServingSeriesMissing", name="one of two is there", past={_SEEN: always(1)}, fires=(_MISSING,), since=0),
    Case(alert="ServingSeriesMissing", name="both are there", past={_SEEN: always(1), _IRIS: always(1)}, since=30),
    Case(alert="ServingModelNotReady", name="not ready", past={_READY: always(0)}, since=0,
         fires=({"namespace": "team-a", "name": "iris", "type": "Ready"},)),
    Case(alert="ServingModelNotReady", name="ready", past={_READY: always(1)}, since=30),
    Case(alert="ReplicasAtMaximum", name="all of them", past=replicas(3, 3), since=0,
         fires=({"namespace": "team-a", "horizontalpodautoscaler": "iris"},)),
    Case(alert="ReplicasAtMaximum", name="one is left", past=replicas(2, 3), since=30),
    Case(alert="ServingPanic", name="panics", past={_PANIC: always(1)}, since=0,
         fires=({"kn_revision_name": "iris-1", "k8s_namespace_name": "team-a"},)),
    Case(alert="ServingPanic", name="calm", past={_PANIC: always(0)}, since=30),
    Case(alert="BatchBacklog", name="too many wait", past={_DEPTH: always(110)}, fires=({"namespace": "team-a"},),
         since=0),
    Case(alert="BatchBacklog", name="many wait", past={_DEPTH: always(90)}, since=30),
    Case(alert="DriftDetected", name="half of the features", fires=(_MODEL,), since=30,
         past={f"drift_share{{{_DRIFT}}}": always(0.5), f"drift_threshold{{{_DRIFT}}}": always(0.4)}),
    Case(alert="DriftDetected", name="few features", since=30,
         past={f"drift_share{{{_DRIFT}}}": always(0.3), f"drift_threshold{{{_DRIFT}}}": always(0.4)}),
    Case(alert="DriftMonitorSilent", name="an hour ago", fires=(_MODEL,), since=61,
         past={f"drift_last_evaluation_timestamp_seconds{{{_DRIFT}}}": always(0)}),
    Case(alert="DriftMonitorSilent", name="within the hour", since=39,
         past={f"drift_last_evaluation_timestamp_seconds{{{_DRIFT}}}": always(0)}),
    Case(alert="PredictionErrorsHigh", name="more than a tenth", past=wrong(0.22, 2), fires=(_MODEL,), since=26),
    Case(alert="PredictionErrorsHigh", name="less than a tenth", past=wrong(0.18, 2), since=100),
    Case(alert="PredictionErrorsHigh", name="too few to tell", past=wrong(0.4, 0.7), since=100),
    Case(alert="PredictionErrorsHigh", name="just enough to tell", past=wrong(0.4, 0.95), fires=(_MODEL,), since=53),
)  # fmt: skip

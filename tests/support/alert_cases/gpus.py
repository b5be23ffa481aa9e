"""Cases of the alerts about GPUs. One GPU on one node, held by one pod."""

from __future__ import annotations

from tests.support.rules import Case, always

_DCGM = 'UUID="GPU-1",gpu="0",Hostname="n1",instance="10.0.0.1:9400"'
_LABELS = {"UUID": "GPU-1", "gpu": "0", "Hostname": "n1", "instance": "10.0.0.1:9400"}
_XID, _TEMP = f"DCGM_FI_DEV_XID_ERRORS{{{_DCGM}}}", f"DCGM_FI_DEV_GPU_TEMP{{{_DCGM}}}"
_REMAP = f"DCGM_FI_DEV_ROW_REMAP_FAILURE{{{_DCGM}}}"
_ROWS = f"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{{{_DCGM}}}"
_ALLOCATABLE = 'kube_node_status_allocatable{node="n1",resource="nvidia_com_gpu",unit="integer"}'
_CAPACITY = 'kube_node_status_capacity{node="n1",resource="nvidia_com_gpu",unit="integer"}'
_OPERATOR = "gpu_operator_reconciliation_status"


def busy(pod: str, load: float) -> dict[str, str]:
    who = f'UUID="GPU-1",modelName="L4",Hostname="n1",namespace="team-a",pod="{pod}",container="c"'
    return {f"DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{who}}}": always(load)}


def utilised(pod: str, load: float) -> dict[str, str]:
    """As a GPU without profiling tells it."""
    who = f'UUID="GPU-1",modelName="L4",Hostname="n1",namespace="team-a",pod="{pod}",container="c"'
    return {f"DCGM_FI_DEV_GPU_UTIL{{{who}}}": always(load)}


def waiting(pending: float, gpus: float) -> dict[str, str]:
    who = 'namespace="team-a",pod="p",uid="1"'
    return {
        f'kube_pod_status_phase{{{who},phase="Pending"}}': always(pending),
        f'kube_pod_container_resource_requests{{{who},container="c",resource="nvidia_com_gpu"}}': always(gpus),
    }


def held(pod: str) -> dict[str, str]:
    return {"node": "n1", "UUID": "GPU-1", "modelName": "L4", "namespace": "team-a", "pod": pod, "container": "c"}


CASES: tuple[Case, ...] = (
    Case(alert="GpuXidChanged", name="a new error", past={_XID: "0x20 31x60"}, fires=(_LABELS,), since=24),
    Case(alert="GpuXidChanged", name="an old error", past={_XID: "31x90"}, since=44),
    Case(alert="GpuXidChanged", name="an error that was taken back", past={_XID: "31x20 0x60"}, since=24),
    Case(alert="GpuFallenOffBus", name="off", past={_XID: always(79)}, fires=(_LABELS,)),
    Case(alert="GpuFallenOffBus", name="another error", past={_XID: always(63)}),
    Case(alert="GpuRowRemapFailure", name="no spare row", past={_REMAP: always(1)}, fires=(_LABELS,)),
    Case(alert="GpuRowRemapFailure", name="none needed", past={_REMAP: always(0)}),
    Case(alert="GpuUncorrectableMemory", name="one row more", past={_ROWS: "2x20 3x60"}, fires=(_LABELS,), since=30),
    Case(alert="GpuUncorrectableMemory", name="old ones", past={_ROWS: always(3)}, since=30),
    Case(alert="GpuTooHot", name="hot", past={_TEMP: always(90)}, fires=(_LABELS,), since=0),
    Case(alert="GpuTooHot", name="warm", past={_TEMP: always(80)}, since=30),
    Case(alert="GpuExporterMissing", name="unwatched", past={_ALLOCATABLE: always(8)}, fires=({"node": "n1"},),
         since=0),
    Case(alert="GpuExporterMissing", name="watched", past={_ALLOCATABLE: always(8), _TEMP: always(40)}, since=30),
    Case(alert="GpuExporterMissing", name="no GPU", past={_ALLOCATABLE: always(0)}, since=30),
    Case(alert="GpuCapacityLost", name="one of eight is gone", fires=({"node": "n1"},), since=0,
         past={_CAPACITY: always(8), _ALLOCATABLE: always(7)}),
    Case(alert="GpuCapacityLost", name="all are there", past={_CAPACITY: always(8), _ALLOCATABLE: always(8)}, since=30),
    Case(alert="GpuOperatorUnhealthy", name="failed", past={_OPERATOR: always(0)}, fires=({},), since=0),
    Case(alert="GpuOperatorUnhealthy", name="as wanted", past={_OPERATOR: always(1)}, since=60),
    Case(alert="GpuPodPending", name="waits", past=waiting(1, 2), fires=({"namespace": "team-a", "pod": "p"},),
         since=0),
    Case(alert="GpuPodPending", name="runs", past=waiting(0, 2), since=30),
    Case(alert="GpuPodPending", name="waits for no GPU", past=waiting(1, 0), since=30),
    Case(alert="GpuAllocatedButIdle", name="held in vain", past=busy("nb", 0.045), fires=(held("nb"),), since=0),
    Case(alert="GpuAllocatedButIdle", name="held in vain, without profiling", past=utilised("nb", 4.5),
         fires=(held("nb"),), since=0),
    Case(alert="GpuAllocatedButIdle", name="a little work", past=busy("nb", 0.055), since=90),
    Case(alert="GpuAllocatedButIdle", name="nobody holds it", past=busy("", 0), since=90),
    Case(alert="TrainingStalled", name="both ranks idle", since=0,
         past={**busy("bert-worker-0", 0.009), **utilised("bert-worker-1", 0)},
         fires=({"namespace": "team-a", "job_name": "bert"},)),
    Case(alert="TrainingStalled", name="a train job", past=busy("bert-node-0-0-x7k2p", 0), since=0,
         fires=({"namespace": "team-a", "job_name": "bert"},)),
    Case(alert="TrainingStalled", name="one works", past=busy("bert-worker-0", 0.011), since=60),
    Case(alert="TrainingStalled", name="a notebook", past=busy("nb-0", 0), since=60),
)  # fmt: skip

"""Dashboard of GPUs, one section for their load and one for their health, and their number by pool and product."""

from __future__ import annotations

from kubeflow.observability.facts import Facts

from .model import Board, Kind, Line, Section, lines

SLUG = "proof-gpu"
_NONE = "No GPU is watched: a node of a GPU pool has to be there, with the DCGM exporter"
_NAME = "{{Hostname}} {{gpu}}"
_RATE = "$__rate_interval"


def board(facts: Facts) -> Board:
    """The dashboard of this stack's GPUs."""
    return Board(
        slug=SLUG, title="GPUs", about="Load, memory, heat and faults, as the DCGM exporter tells them.",
        sections=(_counts(facts), _load(facts), _health(facts)),
    )  # fmt: skip


def _counts(facts: Facts) -> Section:
    by_product = tuple(
        lines(product, "short", f"GPUs that are watched; the stack has {most} at most.", "0",
              (f'count(count by (UUID) (DCGM_FI_DEV_GPU_TEMP{{modelName=~".*{_model(product)}.*"}}))', "watched"),
              kind=Kind.NUMBER, width=6, height=4)
        for product, most in facts.products.items()
    )  # fmt: skip
    by_pool = tuple(
        lines(f"Pool {name}", "short", f"GPUs that the pool's nodes offer; {pool.nodes * pool.gpus} at most.", "0",
              (f'pool:gpus:sum{{label_proof_kubeflow_pool="{name}"}}', "offered"),
              kind=Kind.NUMBER, width=6, height=4)
        for name, pool in sorted(facts.pools.items())
        if pool.gpus
    )  # fmt: skip
    return Section(title="How many", panels=(*by_product, *by_pool))


def _model(product: str) -> str:
    """A product's label is its model's name with dashes, DCGM's has spaces."""
    return product.replace("-", ".")


def _load(facts: Facts) -> Section:
    busy = facts.limits.gpu_busy_percent
    panels = (
        lines("Load", "percentunit", f"Time with work on the GPU. Training should reach {busy:g} %. Busy is not yet "
              "useful: compare with tensor cores.", _NONE,
              ("gpu:active:ratio", "{{node}} {{UUID}} {{pod}}"), line=Line(value=busy / 100, above_is_bad=False)),
        lines("Tensor cores", "percentunit", "Time in which matrix units work; low with high load means small batches "
              "or wrong precision.", _NONE, ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", _NAME)),
        lines("Memory in use", "percentunit", "Frame buffer that is taken.", _NONE,
              ("DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)", _NAME),
              line=Line(value=0.97)),
        lines("Memory bandwidth", "percentunit", "Time in which memory is read or written.", _NONE,
              ("DCGM_FI_PROF_DRAM_ACTIVE", _NAME)),
        lines("Through PCIe", "Bps", "Bytes per second from and to the GPU.", _NONE,
              ("DCGM_FI_PROF_PCIE_RX_BYTES", f"{_NAME} in"), ("DCGM_FI_PROF_PCIE_TX_BYTES", f"{_NAME} out")),
        lines("Through NVLink", "Bps", "Bytes per second between GPUs of a node.", "No GPU has NVLink",
              (f"rate(DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL[{_RATE}]) * 1e6", _NAME)),
    )  # fmt: skip
    return Section(title="Load", panels=panels)


def _health(facts: Facts) -> Section:
    panels = (
        lines("Temperature", "celsius", f"Above {facts.limits.gpu_celsius} degrees the GPU slows down.", _NONE,
              ("DCGM_FI_DEV_GPU_TEMP", _NAME), line=Line(value=facts.limits.gpu_celsius)),
        lines("Power", "watt", "What the GPU draws.", _NONE, ("DCGM_FI_DEV_POWER_USAGE", _NAME)),
        lines("Clock", "hertz", "A clock that falls under load means heat or a limit of power.", _NONE,
              ("DCGM_FI_DEV_SM_CLOCK * 1e6", _NAME)),
        lines("Last error (XID)", "short", "0: none since the driver started. 13, 31, 43 and 45 come from the "
              "workload; 48, 63, 64, 74, 79, 94 and 95 from the hardware.", _NONE,
              ("DCGM_FI_DEV_XID_ERRORS", _NAME), kind=Kind.STATES,
              words=(("0", "none", "green"), ("79", "79: off the bus", "red"))),
        lines("Memory errors", "short", "Rows that were replaced in a day, and replacements that failed.", _NONE,
              ("increase(DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS[1d])", f"{_NAME} uncorrectable"),
              ("increase(DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS[1d])", f"{_NAME} correctable"),
              ("DCGM_FI_DEV_ROW_REMAP_FAILURE", f"{_NAME} failed"), line=Line(value=1)),
        lines("GPU operator", "short", "Whether the software of all nodes is as wanted.", "The operator is not read",
              ("max(gpu_operator_reconciliation_status)", "reconciled"), kind=Kind.NUMBER, width=12,
              words=(("1", "as wanted", "green"), ("0", "waits", "orange"), ("-1", "failed", "red"))),
    )  # fmt: skip
    return Section(title="Health", panels=panels)

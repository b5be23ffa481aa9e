"""Dashboard of cost: what machines cost by pool, what tenants hold, and GPUs that are held and do nothing."""

from __future__ import annotations

from kubeflow.observability.facts import Facts

from .model import Board, Kind, Line, Section, lines

SLUG = "proof-cost"
_HOURS = 730  # of a month
_NONE = "No pod holds a GPU"
_PRICES = "The stack file names no prices: platform.monitoring.cost.prices"


def board(facts: Facts) -> Board:
    """The dashboard of this stack's cost."""
    return Board(
        slug=SLUG, title="Cost and idle GPUs", tenants=tuple(facts.tenants),
        about="Prices are those of the stack file, for nodes that are there; nothing is asked of a bill.",
        sections=(_money(facts), _idle(facts)),
    )  # fmt: skip


def _money(facts: Facts) -> Section:
    cost = facts.spec.cost
    unit = f"currency{cost.currency}"
    month = f"avg_over_time(sum(pool:cost:hourly)[1d:1h]) * {_HOURS}"
    budget = f" The budget is {cost.monthly:g} {cost.currency}." if cost.monthly is not None else ""
    panels = (
        lines("Now", unit, "What an hour costs.", _PRICES, ("sum(pool:cost:hourly)", "an hour"),
              kind=Kind.NUMBER, width=6, height=5),
        lines("A month at this rate", unit, f"The mean of the last day, for {_HOURS} hours.{budget}", _PRICES,
              (month, "a month"), kind=Kind.NUMBER, width=6, height=5,
              line=None if cost.monthly is None else Line(value=cost.monthly)),
        lines("By pool", unit, "What an hour costs.", _PRICES, ("sum by (pool) (pool:cost:hourly)", "{{pool}}"),
              height=5),
    )  # fmt: skip
    return Section(title="Money", panels=panels)


def _idle(facts: Facts) -> Section:
    idle = facts.limits.gpu_idle_percent
    mine = 'namespace=~"$namespace"'
    average = f"avg_over_time(gpu:active:ratio{{{mine}}}[1h])"
    panels = (
        lines("GPUs by tenant", "short", "Held by running pods.", _NONE,
              (f"sum by (namespace) (namespace:gpus_held:sum{{{mine}}})", "{{namespace}}")),
        lines("Idle GPUs by tenant", "short", f"Held, and less than {idle:g} % busy in the last hour.",
              "No GPU is held in vain", (f"count by (namespace) ({average} < {idle / 100:g})", "{{namespace}}"),
              line=Line(value=1)),
        lines("Whom to ask", "percentunit", f"Pods with a GPU that was less than {idle:g} % busy in the last hour.",
              "No GPU is held in vain", (f"{average} < {idle / 100:g}", "{{pod}}"), kind=Kind.TABLE),
        lines("GPU hours in a day", "h", "By tenant: what is held, used or not.", _NONE,
              (f"sum by (namespace) (sum_over_time(namespace:gpus_held:sum{{{mine}}}[1d:1h]))", "{{namespace}}"),
              kind=Kind.BARS),
        lines("GPUs that nobody holds", "short", "Offered by nodes, and in no pod's hands: pools could shrink.",
              "No node offers a GPU", ("sum(pool:gpus:sum) - (sum(namespace:gpus_held:sum) or vector(0))", "free")),
        lines("Energy in a day", "kwatth", "Of all GPUs.", "No GPU is watched",
              ("sum(increase(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION[1d])) / 3.6e9", "energy"), kind=Kind.NUMBER),
    )  # fmt: skip
    return Section(title="GPUs", panels=panels)

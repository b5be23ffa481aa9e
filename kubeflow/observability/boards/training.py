"""Dashboard of training and tuning: jobs by outcome, the GPUs that they hold, experiments and trials."""

from __future__ import annotations

from kubeflow.observability.facts import Facts
from kubeflow.observability.states import STATES

from .model import Board, Kind, Line, Section, lines

SLUG = "proof-training"
_MINE = 'namespace=~"$namespace"'
_KINDS = tuple(state for state in STATES if state.kind.endswith("Job"))
_JOBS = "No training job has run yet: submit one in a tenant's namespace"
_TRIALS = "No experiment has run yet"


def board(facts: Facts) -> Board:
    """The dashboard of this stack's training."""
    return Board(
        slug=SLUG, title="Training", tenants=tuple(facts.tenants),
        about="Training jobs of all kinds, what their GPUs do, and experiments.",
        sections=(_jobs(), _gpus(facts), _tuning()),
    )  # fmt: skip


def _jobs() -> Section:
    def by_state(name: str) -> tuple[tuple[str, str], ...]:
        return tuple(
            (f'sum by (namespace) ({state.metric}{{{_MINE},type="{name}"}} == 1)', f"{state.kind} {{{{namespace}}}}")
            for state in _KINDS
        )

    panels = (
        lines("Failed jobs", "short", "Jobs that are there and have failed. Delete those that nobody needs.",
              "No job has failed", *by_state("Failed"), line=Line(value=1)),
        lines("Finished jobs", "short", "Jobs of the training operator that succeeded, and train jobs that completed.",
              _JOBS, *by_state("Succeeded"), (('sum by (namespace) (kubeflow_trainjob_condition_status'
              f'{{{_MINE},type="Complete"}} == 1)'), "TrainJob {{namespace}}")),
        lines("Jobs in an hour, by outcome", "short", "As the training operator counts. A count's first event is not "
              "seen.", _JOBS,
              *(((f'sum by (job_namespace) (increase(training_operator_jobs_{what}_total'
                 '{job_namespace=~"$namespace"}[1h]))'), f"{{{{job_namespace}}}} {what}")
                for what in ("created", "successful", "failed", "restarted"))),
        lines("What jobs wait for", "short", "Jobs that Kueue has not admitted, by reason.", "No job waits",
              ("sum by (cluster_queue, reason) (kueue_unadmitted_workloads)", "{{cluster_queue}}: {{reason}}")),
    )  # fmt: skip
    return Section(title="Jobs", panels=panels)


def _gpus(facts: Facts) -> Section:
    busy = facts.limits.gpu_busy_percent
    none = "No pod of a tenant holds a GPU"
    panels = (
        lines("Load of the GPUs that pods hold", "percentunit", f"The criterion is {busy:g} % in the steady part of "
              "training.", none, (f"avg by (namespace, pod) (gpu:active:ratio{{{_MINE}}})", "{{pod}}"),
              line=Line(value=busy / 100, above_is_bad=False)),
        lines("Slowest against fastest GPU of a tenant", "percentunit", "Ranks of a job should do the same; a gap "
              "names the rank that all others wait for.", none,
              (f"min by (namespace) (gpu:active:ratio{{{_MINE}}})", "{{namespace}} slowest"),
              (f"max by (namespace) (gpu:active:ratio{{{_MINE}}})", "{{namespace}} fastest")),
        lines("Processor time of pods", "short", "Cores in use. Loaders of data that are throttled starve the GPU.",
              "No pod runs", ((f'sum by (namespace, pod) (rate(container_cpu_usage_seconds_total{{{_MINE},'
                              'container!=""}[$__rate_interval]))'), "{{pod}}")),
        lines("Memory of pods", "bytes", "What the kernel cannot take back.", "No pod runs",
              (f'sum by (namespace, pod) (container_memory_working_set_bytes{{{_MINE},container!=""}})', "{{pod}}")),
    )  # fmt: skip
    return Section(title="What they use", panels=panels)


def _tuning() -> Section:
    panels = (
        lines("Experiments", "short", "By state, as Katib counts.", _TRIALS,
              (f"sum by (namespace, status) (katib_experiments_current{{{_MINE}}})", "{{namespace}} {{status}}")),
        lines("Trials", "short", "By state, as Katib counts.", _TRIALS,
              (f"sum by (namespace, status) (katib_trials_current{{{_MINE}}})", "{{namespace}} {{status}}")),
        lines("Trials without a result", "short", "Ended without the metric that the experiment asks for.",
              "All trials told their result",
              (f"sum by (namespace) (increase(katib_trial_metrics_unavailable_total{{{_MINE}}}[1h]))",
               "{{namespace}}"), line=Line(value=1)),
        lines("Experiments that failed", "short", "Conditions of experiments that are there.",
              "No experiment has failed", (f'kubeflow_experiment_condition_status{{{_MINE},type="Failed"}} == 1',
                                           "{{name}} of {{namespace}}"), kind=Kind.TABLE),
    )  # fmt: skip
    return Section(title="Tuning", panels=panels)

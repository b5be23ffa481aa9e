"""Dashboard of validation: which criteria held, when, and how far from their limits."""

from __future__ import annotations

from kubeflow.observability.facts import Facts

from .model import Board, Kind, Line, Section, lines

SLUG = "proof-validation"
_NONE = "No validation run has been pushed yet: python -m workloads run, then promtool push metrics"
_WORDS = (("1", "holds", "green"), ("0", "fails", "red"), ("-1", "not measured", "text"))


def board(_facts: Facts) -> Board:
    """The dashboard of validation runs."""
    history = (
        lines("Criteria that fail", "short", "Required ones, in the last run.", "None fails",
              ('count(validation_criterion_status{required="true"} == 0)', "failed"), kind=Kind.NUMBER, width=8,
              height=4, line=Line(value=1)),
        lines("Criteria that hold", "short", "In the last run.", _NONE,
              ("count(validation_criterion_status == 1)", "held"), kind=Kind.NUMBER, width=8, height=4),
        lines("Age of the last run", "s", "Older than a week says little.", _NONE,
              ("time() - max(validation_run_timestamp_seconds)", "age"), kind=Kind.NUMBER, width=8, height=4,
              line=Line(value=7 * 86400)),
        lines("Verdicts", "short", "Each criterion over time.", _NONE,
              ("max by (id, environment) (validation_criterion_status)", "{{id}} ({{environment}})"),
              kind=Kind.STATES, words=_WORDS, width=24, height=14),
    )  # fmt: skip
    numbers = (
        lines("Measured against limit", "percentunit", "1 is the limit itself. Whether less or more is better, the "
              "criterion says.", _NONE, (("validation_criterion_measured / on (id, environment) "
                                         "validation_criterion_limit"), "{{id}} ({{environment}})"), width=24,
              line=Line(value=1)),
    )  # fmt: skip
    return Board(
        slug=SLUG, title="Validation", about="What was proven about this platform, and when.",
        sections=(Section(title="Verdicts", panels=history), Section(title="Numbers", panels=numbers)),
    )  # fmt: skip

"""Dashboard of drift and wrong predictions."""

from __future__ import annotations

from kubeflow.observability.facts import Facts

from .model import Board, Kind, Line, Section, lines

SLUG = "proof-drift"
_MINE = 'namespace=~"$namespace"'
_NONE = "No drift service has looked at a model yet"
_NAME = "{{model}} {{feature}}"


def board(facts: Facts) -> Board:
    """The dashboard of drift."""
    minutes, wrong = facts.limits.drift_minutes, facts.limits.prediction_error_percent
    drift = (
        lines("Features that drift, against threshold", "percentunit", "Share of a model's features. Above the "
              "threshold, its input is no longer what it was trained with.", _NONE,
              (f"max by (namespace, model) (drift_share{{{_MINE}}})", "{{model}}"),
              (f"max by (namespace, model) (drift_threshold{{{_MINE}}})", "{{model}} threshold")),
        lines("Which features drift", "short", "Those that drift in the window that was judged last.",
              "No feature drifts", (f"max by (namespace, model, feature) (drift_detected{{{_MINE}}}) == 1", _NAME),
              kind=Kind.TABLE),
        lines("Distance from the reference", "percentunit", "0 is the same, 1 is nothing in common; the ten greatest.",
              _NONE, (f"topk(10, max by (namespace, model, feature) (drift_score{{{_MINE}}}))", _NAME)),
        lines("Time since the last window", "s", f"Longer than {minutes} minutes is an alert.", _NONE,
              (f"time() - max by (namespace, model) (drift_last_evaluation_timestamp_seconds{{{_MINE}}})",
               "{{model}}"), line=Line(value=minutes * 60)),
        lines("Predictions that were looked at", "reqps", "Those that cannot be read are of an unknown model or "
              "format.", _NONE,
              (f"sum by (namespace, model) (rate(predictions_total{{{_MINE}}}[$__rate_interval]))", "{{model}}"),
              (f"sum by (namespace, model) (rate(drift_payloads_refused_total{{{_MINE}}}[$__rate_interval]))",
               "{{model}} unreadable")),
    )  # fmt: skip
    errors = (
        lines("Wrong predictions", "percentunit", f"Of those whose answer became known; {wrong:g} % is an alert.",
              "No answer has become known yet", (f"model:wrong:ratio_increase1h{{{_MINE}}}", "{{model}}"),
              line=Line(value=wrong / 100)),
        lines("Known answers", "short", "Predictions in an hour whose right answer was sent back.",
              "No answer has become known yet",
              (f"sum by (namespace, model) (increase(prediction_labels_total{{{_MINE}}}[1h]))", "{{model}}")),
    )  # fmt: skip
    return Board(
        slug=SLUG, title="Drift", tenants=tuple(facts.tenants),
        about="Whether models still see what they were trained with, and how often they are wrong.",
        sections=(Section(title="Input", panels=drift), Section(title="Output", panels=errors)),
    )  # fmt: skip

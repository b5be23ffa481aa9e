"""A run as series, so that dashboards show how verdicts went over time: `promtool push metrics` takes the file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from .model import MEASURED, Run

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def report(run: Run) -> str:
    """Verdicts (1 passed, 0 failed, -1 not measured), figures and limits of every criterion."""
    return "\n".join([*_lines(run), "# EOF", ""])


def _lines(run: Run) -> Iterator[str]:
    where = ("environment", run.environment)
    yield "# TYPE validation_criterion_status gauge"
    for one in run.criteria:
        status = (1 if one.outcome == "PASS" else 0) if one.outcome in MEASURED else -1
        required = ("required", str(one.required).lower())
        yield f"validation_criterion_status{_labels(('id', one.id), required, where)} {status}"
    for name in ("measured", "limit"):
        yield f"# TYPE validation_criterion_{name} gauge"
        for one in run.criteria:
            value = one.value if name == "measured" else one.threshold
            if one.value is not None and value is not None:
                labels = _labels(("id", one.id), ("unit", one.unit), where)
                yield f"validation_criterion_{name}{labels} {value:g}"
    yield "# TYPE validation_run_timestamp_seconds gauge"
    yield f"validation_run_timestamp_seconds{_labels(where)} {datetime.fromisoformat(run.started).timestamp():.0f}"


def _labels(*pairs: tuple[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs) + "}"

"""`python -m workloads.load PLAN.json > RESULT.json`: one plan, one result. Ends with 0 even if the run is INVALID."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from workloads.load.plan import Plan, PlanError
from workloads.load.run import LoadError, run, run_here


def main(arguments: list[str]) -> int:
    """Read the plan ("-" is standard input), send it, write the result as JSON."""
    if len(arguments) != 1:
        print("usage: python -m workloads.load PLAN.json > RESULT.json", file=sys.stderr)
        return 2
    try:
        text = sys.stdin.read() if arguments[0] == "-" else Path(arguments[0]).read_text("utf-8")
        plan = Plan.from_json(json.loads(text))
        result = run_here(plan) if plan.processes == 1 else run(plan)
    except (OSError, ValueError, PlanError) as error:
        print(error, file=sys.stderr)
        return 2
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(result.to_json()))
    print(json.dumps(result.summary()), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Compiles a pipeline for a cluster, or runs it here in plain processes, and writes down what came of it.

python workloads/jobs/pipelines compile iris --out iris.yaml
python workloads/jobs/pipelines run hello --out folder --set name=Tagore
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import hello
import iris
from kfp import compiler, local

PIPELINES = {"hello": hello.hello, "iris": iris.iris}


def main() -> int:
    """Run one command; fails if the pipeline does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("compile", "run"))
    parser.add_argument("pipeline", choices=sorted(PIPELINES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter; may be repeated")
    options = parser.parse_args()
    pipeline = PIPELINES[options.pipeline]
    if options.command == "compile":
        compiler.Compiler().compile(pipeline, str(options.out))
        return 0
    return _run(pipeline, options.out, dict(one.split("=", 1) for one in options.set))


def _run(pipeline: Any, out: Path, given: dict[str, str]) -> int:
    inputs = pipeline.component_spec.inputs
    unknown = sorted(set(given) - set(inputs))
    if unknown:
        print(f"no parameter {', '.join(unknown)}; there are {', '.join(sorted(inputs))}", file=sys.stderr)
        return 2
    kinds = {"STRING": str, "INTEGER": int, "FLOAT": float, "DOUBLE": float}
    values = {name: kinds[str(inputs[name].type).upper()](text) for name, text in given.items()}
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(out / "root"), raise_on_error=True)
    done = pipeline(**values)
    metrics = [json.loads(file.read_text()) for file in sorted((out / "root").rglob("executor_output.json"))]
    artifacts = [
        one for output in metrics for many in output.get("artifacts", {}).values() for one in many["artifacts"]
    ]
    figures = {key: value for one in artifacts for key, value in one.get("metadata", {}).items()}
    (out / "result.json").write_text(
        json.dumps({"output": done.output, "metrics": figures, "artifacts": [one["uri"] for one in artifacts]}),
        encoding="utf-8",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

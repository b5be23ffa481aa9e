"""What makes the models that a cluster serves: scripts run in pods, leave a model in a volume, and tell its answers.

The pods are processes of this machine (tests/support/containers.py); API server and scheduler are real.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from infra.local.control_plane import ControlPlane
from tests.support import containers, edge
from tests.support.cluster import Api as Plain
from tests.support.containers import Runtime, runtime
from tests.support.model_bench import needs
from tests.support.stack_outputs import outputs
from workloads.api import Api
from workloads.backends.cluster.door import Bearer, Gate
from workloads.backends.cluster.services import Behind
from workloads.backends.process import python
from workloads.checks import jobs
from workloads.cluster import Visit
from workloads.contract import Target, parse
from workloads.jobs import serving
from workloads.jobs.images import PYTORCH, SKLEARN, XGBOOST
from workloads.outcome import NotMeasurableError

pytestmark = pytest.mark.engine

SPACE, CLASS = "made-models", "made-models"
MODULES = {"sklearn": "kserve", "xgboost": "xgboost", "pytorch": "torch"}


@pytest.fixture(scope="module")
def node(api: Plain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    if reason := containers.unavailable():
        pytest.skip(reason)
    api.namespace(SPACE)
    pythons = {str(one).partition(":")[0]: Path(python.PYTHON) for one in (SKLEARN, XGBOOST, PYTORCH)}
    folder = tmp_path_factory.mktemp("makers")
    with runtime(api, pool="general", folder=folder, pythons=pythons, storage_class=CLASS) as made:
        yield made


@pytest.fixture
def target(control_plane: ControlPlane) -> Target:
    tenant = outputs()["platform"]["tenants"]["check-vision"] | {"namespace": SPACE}
    described = outputs(
        kubeconfig=control_plane.kubeconfig.read_text(encoding="utf-8"),
        platform__tenants={SPACE: tenant},
        platform__priorityClasses={},
        cluster__storage={"block": CLASS, "shared": None, "scratch": None},
        cluster__capabilities=["containers"],
    )
    return parse(described, source="test")


@pytest.fixture
def behind(node: Runtime, target: Target, tmp_path: Path) -> Iterator[Behind]:  # noqa: ARG001 - it is there before
    client = Api.from_kubeconfig(target.kubeconfig)
    with edge.bench(tmp_path) as bench, Visit(client, run="test", timeout_seconds=60, terms=bench) as visit:
        # Only what makes models is tried here; no gateway is asked.
        nowhere = cast("tuple[Gate, Bearer]", (None, None))
        yield Behind(visit=visit, here=jobs.home(target), gate=nowhere[0], bearer=nowhere[1])
    client.close()


@pytest.mark.parametrize("kind", MODULES)
def test_a_maker_tells_what_its_stored_model_answers(kind: str, behind: Behind) -> None:
    needs(MODULES[kind])
    known = behind.known(kind, f"proof-{kind}", (serving.SERVED[kind].script,))
    assert len(known.rows) == len(known.answers) == behind.visit.terms.profile.golden_rows
    if kind == "pytorch":
        doubled = [2 * sum(row) for row in known.rows]
        assert known.answers == pytest.approx(doubled, abs=known.tolerance)
    else:
        assert set(known.answers) == {0.0, 1.0, 2.0}


def test_a_maker_that_breaks_is_no_measurement_and_says_how(behind: Behind) -> None:
    needs("kserve")
    with pytest.raises(NotMeasurableError, match=r"no model of sklearn could be made: .*ended with exit code"):
        behind.known("sklearn", "proof-broken", ("predictor.py",))

"""The guide for teams that build on the platform, generated from the outputs: nothing in it is installed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from workloads.report.blocks import Block, Code, Heading, Part, grid
from workloads.report.stack import Json, Stack

_TOKEN = "Authorization: Bearer $TOKEN"  # noqa: S105 - the name of a variable


def part(stack: Stack) -> Part:
    """How a team reaches the platform, and its first calls."""
    return Part(id="guide", title="Integration guide for teams", blocks=list(_blocks(stack)))


def _blocks(stack: Stack) -> Iterator[Block]:
    if stack.endpoints:
        rows = [(one["path"], one["url"], one["service"]) for one in stack.endpoints]
        yield grid("Addresses, all behind the login", ("path", "address", "routed by"), rows)
    if not stack.tenants:
        yield "No tenant is configured, so nobody has a namespace to work in."
        return
    tenant = next(iter(stack.tenants))
    account = stack.tenants[tenant]["serviceAccounts"]["contributor"]
    yield f"The samples are for tenant {tenant}; every other tenant's are alike."
    yield Heading(text="A token of a workload or a machine")
    yield Code(text=f"export TOKEN=$(kubectl create token {account} --namespace {tenant} --duration 1h)")
    if stack.gateway and not stack.gateway["tokens"]:
        yield "The gateway of this stack knows no issuer of such tokens: they open the API server, but no model."
    for condition, samples in (
        (stack.has("kserve") and bool(stack.gateway), _model(stack, tenant)),
        (stack.has("pipelines") and bool(stack.gateway), _pipelines(stack, tenant)),
        (stack.has("trainer"), _training(stack, tenant)),
        (stack.has("mlflow"), _tracking()),
    ):
        if condition:
            yield from samples


def _model(stack: Stack, tenant: str) -> Iterator[Block]:
    yield Heading(text="Ask a model")
    pattern = stack.gateway["models"]
    if pattern is None:
        yield "The certificate of this gateway holds no names of models: they are reached inside the cluster only."
        address = f"http://MODEL.{tenant}.svc.cluster.local"
    else:
        address = pattern.replace("TENANT", tenant)
    body = '{"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": [[5.1, 3.5, 1.4, 0.2]]}]}'
    headers = f'-H "{_TOKEN}" -H "Content-Type: application/json"'
    yield Code(text=f"curl {address}/v2/models/MODEL/infer \\\n  {headers} \\\n  -d '{body}'")


def _pipelines(stack: Stack, tenant: str) -> Iterator[Block]:
    yield Heading(text="Run a pipeline")
    yield Code(
        text="import os\n\nimport kfp\n\n"
        f'client = kfp.Client(host="https://{stack.domain}/pipeline", existing_token=os.environ["TOKEN"])\n'
        f'client.create_run_from_pipeline_package("pipeline.yaml", arguments={{}}, namespace="{tenant}")'
    )


def _training(stack: Stack, tenant: str) -> Iterator[Block]:
    yield Heading(text="Train on several nodes")
    accelerator: Json = stack.cluster["accelerator"] or {}
    resource = accelerator.get("resource")
    gpu = (
        f"\n    resourcesPerNode:\n      limits: {{{resource}: 1}}"
        if resource and stack.tenants[tenant]["gpus"]
        else ""
    )
    yield Code(
        text="apiVersion: trainer.kubeflow.org/v1alpha1\nkind: TrainJob\nmetadata:\n  name: first\n"
        f"  namespace: {tenant}\nspec:\n  runtimeRef: {{name: torch-distributed}}\n  trainer:\n"
        f"    image: IMAGE@DIGEST\n    numNodes: 2{gpu}"
    )


def _tracking() -> Iterator[Block]:
    yield Heading(text="Track an experiment from a pod of yours")
    yield Code(text='import mlflow\n\nmlflow.set_tracking_uri("http://mlflow.mlflow.svc.cluster.local")')

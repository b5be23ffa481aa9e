"""The first pipeline that anybody runs: one step that greets."""

from kfp import dsl

IMAGE = "kubeflow-proof/models:1"  # built from workloads/images/models; a step needs kfp, which bare Python has not


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def greet(name: str) -> str:
    """Say hello."""
    greeting = f"Hello, {name}!"
    print(greeting)  # noqa: T201 - people look for it in the log
    return greeting


@dsl.pipeline(name="hello", description="One step that greets")
def hello(name: str = "World") -> str:
    """Greet somebody."""
    return greet(name=name).output

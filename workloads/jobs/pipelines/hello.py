"""The first pipeline that anybody runs: one step that greets."""

from kfp import dsl


@dsl.component(base_image="python:3.11.13-slim-bookworm", install_kfp_package=False)
def greet(name: str) -> str:
    """Say hello."""
    greeting = f"Hello, {name}!"
    print(greeting)  # noqa: T201 - people look for it in the log
    return greeting


@dsl.pipeline(name="hello", description="One step that greets")
def hello(name: str = "World") -> str:
    """Greet somebody."""
    return greet(name=name).output

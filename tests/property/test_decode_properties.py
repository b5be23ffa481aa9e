"""What holds for every input: nothing is lost, nothing unknown is accepted, and nothing but a refusal is raised."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from infra.contract import Capability, ClusterSpec, Effect, Environment, Gpu, Pool, Role, Taint
from infra.existing.options import ExistingOptions
from kubeflow.contract import ContainerDefaults, Opening, PlatformSpec, PodSecurity, Protocol, Quota, TenantSpec
from kubeflow.quantity import Quantity
from stacks.decode import Problem, SettingsError, join
from stacks.forms import key_of
from stacks.load import PROJECT, load, settings_from
from stacks.settings import Settings, ValidationSpec

UNHURRIED = hypothesis.settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no bug
Place = tuple[str | int, ...]  # keys and positions that lead to a value

NAME = st.from_regex(r"[a-z][a-z0-9]{0,12}", fullmatch=True)
TENANT = NAME.map(lambda name: f"team-{name}")
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=20)
WORDS = TEXT.filter(lambda text: bool(text.strip()))
QUANTITIES = st.from_regex(r"[1-9][0-9]{0,5}(m|k|Mi|Gi|Ti)?", fullmatch=True).map(Quantity)
SMALL = st.sampled_from([Quantity("0"), Quantity("1m"), Quantity("500m"), Quantity("1")])
COUNT = st.integers(1, 1000)


@st.composite
def pools(draw: st.DrawFn, role: Role) -> Pool:
    low, high = sorted(draw(st.tuples(st.integers(0, 10_000), st.integers(1, 10_000))))
    gpu = st.builds(Gpu, product=TEXT, count=st.integers(1, 16), memory_mib=COUNT)
    return Pool(
        role=role,
        machine=draw(TEXT),
        min=low,
        max=high,
        zones=tuple(draw(st.lists(TEXT, max_size=2))),
        gpu=draw(gpu) if role is Role.GPU else None,
        labels=draw(st.dictionaries(TEXT, TEXT, max_size=2)),
        taints=tuple(draw(st.lists(st.builds(Taint, key=TEXT, effect=st.sampled_from(Effect)), max_size=2))),
    )


OPTIONS = st.builds(
    ExistingOptions,
    kubeconfig_path=st.none() | TEXT,
    capabilities=st.lists(st.sampled_from(Capability), unique=True).map(tuple),
    block_storage_class=NAME,
    pod_cidr=st.just("10.244.0.0/16"),
    service_cidr=st.just("10.96.0.0/12"),
    api_server_cidrs=st.just(("10.0.0.10/32",)),
    ingress_annotations=st.dictionaries(TEXT, TEXT, max_size=2),
)
CLUSTERS = st.builds(
    ClusterSpec,
    environment=st.just(Environment.EXISTING),
    name=NAME,
    region=TEXT,
    version=st.integers(20, 60).map(lambda minor: f"1.{minor}"),
    pools=st.fixed_dictionaries(
        {"cpu": pools(Role.CPU)}, optional={"h100": pools(Role.GPU), "sys": pools(Role.SYSTEM)}
    ),
    options=OPTIONS,
)
OPENINGS = st.builds(
    Opening, cidr=st.just("10.20.0.0/24"), port=st.integers(1, 65535), reason=WORDS, protocol=st.sampled_from(Protocol)
)
TENANTS = st.builds(
    TenantSpec,
    owner=WORDS,
    contributors=st.lists(TEXT, max_size=2).map(tuple),
    quota=st.builds(Quota, cpu=QUANTITIES, memory=QUANTITIES, gpus=st.integers(0, 64), config_maps=COUNT),
    defaults=st.builds(ContainerDefaults, cpu_request=SMALL),
    pod_security=st.sampled_from(PodSecurity),
    egress=st.lists(OPENINGS, max_size=2).map(tuple),
)
SETTINGS = st.builds(
    Settings,
    cluster=CLUSTERS,
    platform=st.builds(PlatformSpec, tenants=st.dictionaries(TENANT, TENANTS, max_size=3)),
    validation=st.builds(
        ValidationSpec,
        disruptive=st.booleans(),
        required=st.dictionaries(TEXT, st.booleans(), max_size=2),
        timeout_seconds=st.integers(1, 3600),
    ),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text()
    | st.binary(max_size=4)
    | st.dates()
    | st.sampled_from(["local", "existing", "gpu", "1.35", "4Gi", "{", "\ud800"])
)
KEYS = st.sampled_from(["cluster", "platform", "environment", "pools", "tenants", "options"]) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.integers() | st.none(), inner, max_size=4),
    max_leaves=12,
)


def written(value: object) -> Any:  # noqa: ANN401 - plain data as YAML holds it
    """The inverse of the decoder."""
    plain: Any = value
    if isinstance(value, Quantity):
        plain = str(value)
    elif isinstance(value, Enum):
        plain = value.value
    elif isinstance(value, Mapping):
        plain = {name: written(item) for name, item in cast("Mapping[str, object]", value).items()}
    elif isinstance(value, tuple):
        plain = [written(item) for item in cast("tuple[object, ...]", value)]
    elif is_dataclass(value):
        plain = {key_of(item.name): written(getattr(value, item.name)) for item in fields(value)}
    return plain


def objects(value: object, at: Place = ()) -> Iterator[tuple[Place, object]]:
    """Every settings object inside another one, and where it is written."""
    if isinstance(value, Mapping):
        for name, item in cast("Mapping[str, object]", value).items():
            yield from objects(item, (*at, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(cast("tuple[object, ...]", value)):
            yield from objects(item, (*at, index))
    elif is_dataclass(value) and not isinstance(value, Quantity | type):
        yield at, value
        for item in fields(value):
            yield from objects(getattr(value, item.name), (*at, key_of(item.name)))


def places(value: object, at: Place = ()) -> Iterator[Place]:
    """Where values stand in plain data."""
    if at:
        yield at
    if isinstance(value, Mapping):
        for name, item in cast("Mapping[str, object]", value).items():
            yield from places(item, (*at, name))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from places(item, (*at, index))


def path_of(at: Place) -> str:
    path = f"{PROJECT}:"
    for part in at:
        path = f"{path}[{part}]" if isinstance(part, int) else join(path, part)
    return path


def put(settings: Settings, at: Place, value: object) -> Any:  # noqa: ANN401 - plain data
    """Settings as written, with one value replaced or added."""
    document = written(settings)
    holder = document
    for part in at[:-1]:
        holder = holder[part]
    holder[at[-1]] = value
    return document


def problems(config: Any) -> tuple[Problem, ...]:  # noqa: ANN401 - anything at all
    """What is refused; nothing if the configuration is read."""
    try:
        settings_from(config)
    except SettingsError as error:
        return error.problems
    return ()


def are_lines(found: tuple[Problem, ...]) -> bool:
    return all(problem.path and problem.found and len(str(problem).splitlines()) == 1 for problem in found)


@UNHURRIED
@given(SETTINGS)
def test_settings_survive_being_written_and_read(settings: Settings) -> None:
    assert settings_from(written(settings)) == settings


@UNHURRIED
@given(SETTINGS)
def test_settings_survive_a_stack_file(settings: Settings) -> None:
    config = {f"{PROJECT}:{name}": item for name, item in written(settings).items()}
    document = {"config": {"pulumi:disable-default-providers": ["*"], **config}}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "Pulumi.sample.yaml"
        file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        assert load(file) == settings


@UNHURRIED
@given(SETTINGS, st.data())
def test_an_unknown_key_is_always_refused_and_named(settings: Settings, data: st.DataObject) -> None:
    at, _ = data.draw(st.sampled_from(list(objects(settings))))
    key = data.draw(st.text(string.ascii_letters + string.digits + "-_./ ", max_size=30).map("x{}x".format))
    found = problems(put(settings, (*at, key), 1))
    assert [problem.path for problem in found if problem.found == "unknown key"] == [path_of((*at, key))]


@UNHURRIED
@given(VALUES)
def test_any_value_is_read_or_refused(value: object) -> None:
    assert are_lines(problems(value))


@UNHURRIED
@given(SETTINGS, VALUES, st.data())
def test_any_value_anywhere_is_read_or_refused(settings: Settings, value: object, data: st.DataObject) -> None:
    at = data.draw(st.sampled_from(list(places(written(settings)))))
    assert are_lines(problems(put(settings, at, value)))


@UNHURRIED
@given(st.text(max_size=60) | st.text('config:\n -[]{}&*!"#|>%@?,0.1e', max_size=60))
def test_no_text_is_a_stack_file_by_accident(text: str) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "Pulumi.any.yaml"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        with pytest.raises(SettingsError, match=re.escape(f"{file}:")):
            load(file)

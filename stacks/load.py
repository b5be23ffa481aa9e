"""Stack files and configuration become settings. The only reader of stack files; it opens nothing else."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import yaml

from infra.contract import ClusterSpec
from infra.provision import options_type

from .decode import Dependent, Problem, Refine, SettingsError, decode, nearest, show
from .settings import Settings

PROJECT = "kubeflow-proof"
REFINE: Refine = {ClusterSpec: Dependent(field="options", on="environment", choose=options_type)}

OBJECTS = tuple(item.name for item in fields(Settings))
_KUBECONFIG = "kubeconfig"
_KEYS = tuple(f"{PROJECT}:{name}" for name in (*OBJECTS, _KUBECONFIG))
_TOP_LEVEL = ("config", "encryptionsalt", "secretsprovider", "encryptedkey", "environment")
_DISABLED = "pulumi:disable-default-providers"

_Resolvers = dict[str, list[tuple[str, re.Pattern[str]]]]

# Scalars as the engine reads them: `yes` is text, 1e3 a number and 1:30 no sexagesimal one. The first match wins.
_SCALARS = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
)


def _resolvers() -> _Resolvers:
    """First letter of a scalar to the types that it may have, each with its form."""
    ours = {tag for tag, _, _ in _SCALARS}
    resolvers = {
        letter: [(tag, form) for tag, form in rules if tag not in ours]
        for letter, rules in cast("_Resolvers", yaml.CSafeLoader.yaml_implicit_resolvers).items()
    }
    for tag, pattern, letters in _SCALARS:
        for letter in letters:
            resolvers.setdefault(letter, []).append((tag, re.compile(rf"(?:{pattern})\Z")))
    return resolvers


class _Loader(yaml.CSafeLoader):
    """YAML as the engine reads it; keeps note of keys that stand twice, of which the last would win silently."""

    yaml_implicit_resolvers = _resolvers()

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[Problem] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the base class's signature
        """Build a mapping, noting duplicate keys."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                mark = key.start_mark
                if key.value in lines:
                    found = f"the key {show(key.value, '')} stands twice"
                    hint = f"it is already in line {lines[key.value]}"
                    self.problems.append(Problem(_position(mark), found, hint=hint))
                lines.setdefault(key.value, mark.line + 1)
        return super().construct_mapping(node, deep)


def settings_from(config: Mapping[str, object]) -> Settings:
    """The settings in the project's configuration objects, by name; every problem of all of them at once."""
    return decode(Settings, config, at=f"{PROJECT}:", refine=REFINE)


def read_stack_file(path: Path) -> Mapping[str, object]:
    """The project's objects in a stack file, by name, as `settings_from` reads them. OSError if there is no file."""
    objects, problems = _read(path)
    if problems or objects is None:
        raise SettingsError(_located(path, problems))
    return objects


def load(path: Path) -> Settings:
    """The settings of a stack file, or a SettingsError with every problem of the file and of what it says."""
    objects, problems = _read(path)
    if objects is not None:
        try:
            settings = settings_from(objects)
        except SettingsError as error:
            problems.extend(error.problems)
        else:
            if not problems:
                return settings
    raise SettingsError(_located(path, problems))


def _read(path: Path) -> tuple[Mapping[str, object] | None, list[Problem]]:
    """The project's objects, None if there is nothing to decode, and the problems of the file itself."""
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        document = cast("object", loader.get_single_data())
    except yaml.MarkedYAMLError as error:
        where = _position(error.problem_mark) if error.problem_mark else "1:1"
        return None, [Problem(where, f"no YAML: {error.problem}")]
    except (yaml.YAMLError, ValueError) as error:  # not UTF-8, control characters, a date that does not exist
        return None, [Problem("1:1", f"no YAML: {' '.join(str(error).split())}")]
    table = cast("Mapping[object, object]", document if isinstance(document, Mapping) else {"config": document})
    config, problems = table.get("config"), [*loader.problems, *_top_level(table)]
    if not isinstance(config, Mapping):
        return None, [*problems, Problem("config", _found(config, "config"), f"a mapping with {', '.join(_KEYS[:2])}")]
    values = cast("Mapping[object, object]", config)
    problems.extend(_configuration(values))
    return {name: values[f"{PROJECT}:{name}"] for name in OBJECTS if f"{PROJECT}:{name}" in values}, problems


def _top_level(document: Mapping[object, object]) -> Iterable[Problem]:
    for key in document:
        if key not in _TOP_LEVEL:
            yield Problem(_name(key), "unknown key", ", ".join(_TOP_LEVEL), nearest(key, _TOP_LEVEL))


def _configuration(config: Mapping[object, object]) -> Iterable[Problem]:
    """The problems of configuration keys: those of providers are theirs, those of this project are known."""
    disabled = config.get(_DISABLED)
    if disabled != ["*"]:
        reason = "no resource may fall into somebody's own account or cluster"
        yield Problem(_DISABLED, _found(disabled, _DISABLED), '["*"]', reason)
    for key, value in config.items():
        namespace, colon, name = key.partition(":") if isinstance(key, str) else ("", "", "")
        if not colon:
            hint = nearest(f"{PROJECT}:{key}", _KEYS)
            yield Problem(_name(key), "a key without a namespace", "<namespace>:<key>", hint)
        elif namespace == PROJECT and name not in (*OBJECTS, _KUBECONFIG):
            yield Problem(_name(key), "unknown key", ", ".join(_KEYS), nearest(key, _KEYS))
        elif namespace != PROJECT and (hint := nearest(namespace, [PROJECT])):
            yield Problem(_name(key), f"unknown namespace {show(namespace, '')}", hint=hint)
        elif key == f"{PROJECT}:{_KUBECONFIG}" and not _is_encrypted(value):
            hint = f"write it with `pulumi config set --secret {_KUBECONFIG}`"
            yield Problem(_name(key), _found(value, _KUBECONFIG), "an encrypted value", hint)


def _is_encrypted(value: object) -> bool:
    return isinstance(value, Mapping) and set(cast("Mapping[object, object]", value)) == {"secure"}


def _found(value: object, path: str) -> str:
    return "missing" if value is None else f"found {show(value, path)}"


def _name(key: object) -> str:
    return key[:60] if isinstance(key, str) and key.isprintable() else show(key, "")


def _position(mark: Any) -> str:  # noqa: ANN401 - the mark of the C parser has no type
    return f"{mark.line + 1}:{mark.column + 1}"


def _located(path: Path, problems: Iterable[Problem]) -> Iterable[Problem]:
    return (replace(problem, path=f"{path}:{problem.path}") for problem in problems)

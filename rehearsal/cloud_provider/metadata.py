"""What a Pulumi SDK says about its types, read from its source text. Imports nothing of an SDK.

Importing one large module costs up to ten seconds; slicing one generated class out of its file and parsing that slice
costs milliseconds.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FORCES_NEW = re.compile(r"forces? (the creation of )?(a )?(new|replacement|re-?creation)|\bForceNew\b", re.IGNORECASE)
LISTS_VALUES = re.compile(r"\b(valid|possible|allowed|accepted|supported) (values|options)\b", re.IGNORECASE)
_WRAPPERS = frozenset({"Input", "Output", "Optional"})
_TOP_LEVEL = re.compile(r"^(?:class |def |@|if )", re.MULTILINE)
PARSING = threading.Lock()  # ast.parse in two threads at once raises SystemError (Python 3.11.7)


class MetadataError(LookupError):
    """The SDK has no such resource type or function."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prop:
    """One property: its type as the SDK writes it, and what the SDK says of it."""

    type: ast.expr
    required: bool = False
    forces_new: bool = False
    closed: bool = False  # its documentation lists the values that it may have

    @property
    def scalar(self) -> str:
        """`str`, `int`, `float` or `bool`; empty for anything else."""
        node = self.type
        while isinstance(node, ast.Subscript) and last_name(node.value) in _WRAPPERS:
            node = node.slice
        name = last_name(node)
        return name if name in {"str", "int", "float", "bool"} else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """An object type: wire name (camelCase) -> property, and the folder where its references resolve."""

    name: str
    props: dict[str, Prop]
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """What a resource type or function takes, and what it gives."""

    takes: Shape
    gives: Shape


def last_name(node: ast.expr) -> str:
    """`Input` of `pulumi.Input`; empty for what is no name."""
    match node:
        case ast.Attribute():
            return node.attr
        case ast.Name():
            return node.id
        case _:
            return ""


def snake(name: str) -> str:
    """Python's name for a camelCase one, as Pulumi's generator writes it."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def near(name: object, known: Iterable[object]) -> str:
    """The end of an error message that lists near misses."""
    close = difflib.get_close_matches(str(name), map(str, known), 3, 0.6)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


@lru_cache(maxsize=64)
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _start(text: str, name: str) -> int | None:
    """Where a top-level class or function begins. Files have megabytes, so this is a plain search, not a pattern."""
    for head in (f"\nclass {name}:", f"\nclass {name}(", f"\ndef {name}("):
        if (found := text.find(head)) >= 0:
            return found + 1
    return None


def _definition(path: Path, name: str) -> ast.stmt | None:
    """The syntax tree of one top-level class or function, parsed from its slice of the file."""
    text = _text(path)
    start = _start(text, name)
    if start is None:
        return None
    end = _TOP_LEVEL.search(text, start + 1)
    with PARSING:
        try:
            return ast.parse(text[start : end.start() if end else len(text)]).body[0]
        except SyntaxError:  # text at column 0 inside a string: parse the whole file instead
            return next((node for node in ast.parse(text).body if getattr(node, "name", None) == name), None)


def _class(path: Path, name: str) -> ast.ClassDef | None:
    found = _definition(path, name)
    return found if isinstance(found, ast.ClassDef) else None


def _getters(cls: ast.ClassDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(wire name, function) of every property that the class declares with `pulumi.getter`."""
    for function in (node for node in cls.body if isinstance(node, ast.FunctionDef)):
        for mark in function.decorator_list:
            match mark:
                case ast.Attribute(attr="getter"):
                    yield function.name, function
                case ast.Call(
                    func=ast.Attribute(attr="getter"), keywords=[ast.keyword(value=ast.Constant(value=wire))]
                ):
                    yield str(wire), function
                case _:
                    continue


def _output_shape(cls: ast.ClassDef, folder: Path) -> Shape:
    props = {wire: Prop(type=function.returns) for wire, function in _getters(cls) if function.returns}
    return Shape(name=cls.name, props=props, folder=folder)


def _input_shape(path: Path, name: str) -> Shape:
    """Shape of an `@pulumi.input_type` class: getters give wire names, `__init__` types and requiredness."""
    cls = _class(path, name)
    if cls is None:
        raise MetadataError(f"{path.name} does not define {name}")
    init = next(node.args for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    given = {
        argument.arg: (argument.annotation, default is None)
        for argument, default in zip(init.kwonlyargs, init.kw_defaults, strict=True)
        if argument.annotation is not None
    }
    props = dict[str, Prop]()
    for wire, function in _getters(cls):
        kind, required = given.get(function.name, (None, False))
        if kind is not None:
            text = ast.get_docstring(function) or ""
            forces, closed = bool(FORCES_NEW.search(text)), bool(LISTS_VALUES.search(text))
            props[wire] = Prop(type=kind, required=required, forces_new=forces, closed=closed)
    return Shape(name=name, props=props, folder=path.parent)


Reference = Shape | tuple[object, ...] | None


class Sdk:
    """The SDK `pulumi_<package>` found on the module path; used by many threads at once."""

    def __init__(self, package: str, extra_enum_values: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self._extra = extra_enum_values or {}
        spec = importlib.util.find_spec("pulumi_" + package.replace("-", "_"))
        if spec is None or not spec.submodule_search_locations:
            raise MetadataError(f"no Python SDK is installed for package '{package}'")
        self.package, self.root = package, Path(spec.submodule_search_locations[0])
        self.version: str = json.loads(_text(self.root / "pulumi-plugin.json"))["version"]
        table = re.search(r'resource_modules="""(.*?)"""', _text(self.root / "__init__.py"), re.DOTALL)
        self.tokens: dict[str, tuple[Path, str]] = {}
        modules: list[dict[str, Any]] = json.loads(table.group(1)) if table else []
        for module in modules:
            folder = self.root.joinpath(*module["fqn"].split(".")[1:])
            self.tokens.update({token: (folder, cls) for token, cls in module["classes"].items()})
        self._resources: dict[str, Pair] = {}
        self._functions: dict[str, Pair] = {}
        self._references: dict[tuple[str, Path], Reference] = {}

    def resource(self, token: str) -> Pair:
        """Inputs and outputs of a resource type (or of the provider itself)."""
        if token not in self._resources:
            self._resources[token] = self._read_resource(token)
        return self._resources[token]

    def function(self, token: str) -> Pair:
        """Arguments and result of an invoke."""
        if token not in self._functions:
            self._functions[token] = self._read_function(token)
        return self._functions[token]

    def reference(self, name: str, folder: Path) -> Reference:
        """What a quoted name in a type stands for: an object's shape, an enum's values, or nothing known."""
        if (name, folder) not in self._references:
            self._references[name, folder] = self._read_reference(name, folder)
        return self._references[name, folder]

    def referred(self, prop: Prop, folder: Path) -> Shape | None:
        """The shape of the objects that a property holds, alone or in lists, if it holds any."""
        for node in ast.walk(prop.type):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and not node.value.endswith("ArgsDict"):
                found = self.reference(node.value, folder)
                if isinstance(found, Shape):
                    return found
        return None

    def _read_resource(self, token: str) -> Pair:
        if token == f"pulumi:providers:{self.package}":
            folder, cls, base = self.root, "Provider", "ProviderResource"
        elif token in self.tokens:
            (folder, cls), base = self.tokens[token], "CustomResource"
        else:
            raise MetadataError(f"unknown resource type '{token}'{near(token, self.tokens)}")
        needle = f"class {cls}(pulumi.{base})"
        likely = folder / f"{snake(cls)}.py"
        paths = [likely] if needle in _text(likely) else sorted(folder.glob("*.py"))
        path = next((path for path in paths if needle in _text(path)), None)
        arguments = re.search(r"^@pulumi\.input_type\nclass (\w+)", _text(path), re.MULTILINE) if path else None
        tree = _class(path, cls) if path else None
        if path is None or arguments is None or tree is None:
            raise MetadataError(f"the SDK registers '{token}' but does not define it")
        return Pair(takes=_input_shape(path, arguments.group(1)), gives=_output_shape(tree, folder))

    def _read_function(self, token: str) -> Pair:
        package, module, name = [*token.split(":"), "", ""][:3]
        module = module.split("/")[0]
        folder = self.root / snake(module) if module not in {"", "index"} else self.root
        path = folder / f"{snake(name)}.py"
        function, result = _definition(path, snake(name)), _class(path, f"{name[:1].upper()}{name[1:]}Result")
        if package != self.package or not isinstance(function, ast.FunctionDef) or result is None:
            raise MetadataError(f"unknown function '{token}'")
        types = {argument.arg: argument.annotation for argument in function.args.args}
        takes = dict[str, Prop]()
        for wire, argument in re.findall(r"__args__\['(\w+)'\] = (\w+)", ast.unparse(function)):
            if (kind := types.get(argument)) is not None:
                takes[wire] = Prop(type=kind)
        return Pair(takes=Shape(name=name, props=takes, folder=folder), gives=_output_shape(result, folder))

    def _read_reference(self, name: str, folder: Path) -> Reference:
        *module, name = name.split(".")
        if siblings := [part.lstrip("_") for part in module if part not in {"outputs", "_enums"}]:
            folder = self.root.joinpath(*siblings)  # '_iam.FooArgs'
        for place in dict.fromkeys((folder, self.root)):
            if "outputs" not in module and _start(_text(place / "_inputs.py"), name) is not None:
                return _input_shape(place / "_inputs.py", name)
            if tree := _class(place / "_enums.py", name):
                values = (node.value for node in tree.body if isinstance(node, ast.Assign))
                listed = (value.value for value in values if isinstance(value, ast.Constant))
                return (*listed, *self._extra.get(name, ()))
            if tree := _class(place / "outputs.py", name):
                return _output_shape(tree, place)
        return None

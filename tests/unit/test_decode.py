"""The decoder on its own: which forms it reads, what it refuses, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal

import pytest

from stacks.decode import Dependent, Problem, SettingsError, decode, join, nearest, show
from stacks.forms import key_of


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class Colour:
    """A value that is written as text."""

    text: str

    def __post_init__(self) -> None:
        if not self.text.startswith("#"):
            raise ValueError(f"'{self.text}' does not\nstart with #")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    count: int = field(default=1, metadata={"min": 0, "max": 9})
    at_least: int = field(default=1, metadata={"min": 1})
    at_most: int = field(default=1, metadata={"max": 1})
    ratio: float = 0.5

    def __post_init__(self) -> None:
        if self.count == 7:
            raise ValueError("count must not be 7")


@dataclass(frozen=True, kw_only=True, slots=True)
class Single:
    """One key, and still a mapping: settings are keyword-only."""

    word: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    name: str = field(metadata={"pattern": "[a-z]+", "example": "abc"})
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    by_name: Mapping[str, Inner] = field(default_factory=dict[str, Inner], metadata={"keys": "[a-z]+"})
    maybe: Inner | None = None
    size: Size = Size.SMALL
    mode: Literal["fast", "safe"] = "safe"
    enabled: bool = False
    colour: Colour = Colour("#fff")
    colours: tuple[Colour, ...] = ()
    admin_password: str = ""
    single: Single | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Choosing:
    detail: object = None
    kind: Size

    def __post_init__(self) -> None:
        if not isinstance(self.detail, Inner | Colour | None):
            raise TypeError("the detail was not decoded")


def _detail_of(size: Size) -> type:
    if size is Size.LARGE:
        raise ValueError("large is not available")
    return Inner


REFINE = {Choosing: Dependent(field="detail", on="kind", choose=_detail_of)}


def problems(kind: type, value: object) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        decode(kind, value, at="here", refine=REFINE)
    return [str(problem) for problem in refusal.value.problems]


def outer(**keys: object) -> list[str]:
    return problems(Outer, {"name": "abc", **keys})


def test_every_form_is_read() -> None:
    given = {
        "name": "abc",
        "inner": {"count": 3, "ratio": 2},
        "inners": [{"atLeast": 4}, {}],
        "byName": {"x": {"count": 5}},
        "maybe": {},
        "size": "large",
        "mode": "fast",
        "enabled": True,
        "colour": "#000",
        "colours": ["#111"],
        "single": {"word": "w"},
    }
    assert decode(Outer, given, at="here") == Outer(
        name="abc",
        inner=Inner(count=3, ratio=2),
        inners=(Inner(at_least=4), Inner()),
        by_name={"x": Inner(count=5)},
        maybe=Inner(),
        size=Size.LARGE,
        mode="fast",
        enabled=True,
        colour=Colour("#000"),
        colours=(Colour("#111"),),
        single=Single(word="w"),
    )


def test_what_is_left_out_has_its_default() -> None:
    assert decode(Outer, {"name": "abc"}, at="here") == Outer(name="abc")


def test_only_an_optional_value_may_be_null() -> None:
    assert decode(Outer, {"name": "abc", "maybe": None}, at="here").maybe is None
    assert outer(inner=None) == [
        "here.inner: found nothing; allowed: a mapping with the keys count, atLeast, atMost, ratio"
    ]


def test_zero_is_a_value() -> None:
    assert decode(Inner, {"count": 0}, at="here").count == 0


@pytest.mark.parametrize(
    ("field_name", "key"), [("name", "name"), ("config_maps", "configMaps"), ("memory_mib", "memoryMib")]
)
def test_keys_are_fields_in_camel_case(field_name: str, key: str) -> None:
    assert key_of(field_name) == key


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"inner": {"cuont": 1}}, "cuont: unknown key; allowed: count, atLeast, atMost, ratio; did you mean 'count'?"),
        ({"byname": {}}, "did you mean 'byName'?"),
        ({"inner": {"count": True}}, "here.inner.count: found true; allowed: a whole number, from 0 to 9"),
        ({"inner": {"count": 2.0}}, "here.inner.count: found 2.0; allowed: a whole number, from 0 to 9"),
        ({"inner": {"count": "2"}}, "found '2'; allowed: a whole number, from 0 to 9; write it without quotes"),
        ({"inner": {"atLeast": 0}}, "here.inner.atLeast: found 0; allowed: a whole number, at least 1"),
        ({"inner": {"atMost": 2}}, "here.inner.atMost: found 2; allowed: a whole number, at most 1"),
        ({"inner": {"ratio": float("nan")}}, "here.inner.ratio: found nan; allowed: a number"),
        ({"inner": {"ratio": float("inf")}}, "here.inner.ratio: found inf; allowed: a number"),
        ({"inner": {"ratio": False}}, "here.inner.ratio: found false; allowed: a number"),
        ({"inner": {"count": 10**5000}}, "here.inner.count: found a very large number; allowed"),
        ({"inners": {"count": 1}}, "here.inners: found a mapping; allowed: a list, each item a mapping"),
        ({"inners": [{}, {"count": 99}]}, "here.inners[1].count: found 99; allowed: a whole number, from 0 to 9"),
        ({"byName": {"X": {}}}, "here.byName.X: found the key 'X'; allowed: a key of the form [a-z]+"),
        ({"byName": {"x\n": {}}}, r'here.byName["x\n"]: found the key '),
        ({"byName": {3: {}}}, "here.byName[3]: found the key 3; allowed: text; quote it"),
        ({"maybe": 5}, "here.maybe: found 5; allowed: a mapping with the keys"),
        ({"size": "Large"}, "here.size: found 'Large'; allowed: small, large; did you mean 'large'?"),
        ({"size": 1}, "here.size: found 1; allowed: small, large"),
        ({"mode": "quick"}, "here.mode: found 'quick'; allowed: fast, safe"),
        ({"enabled": "yes"}, "here.enabled: found 'yes'; allowed: true or false; write true or false without quotes"),
        ({"enabled": 1}, "here.enabled: found 1; allowed: true or false"),
        ({"single": "w"}, "here.single: found 'w'; allowed: a mapping with the keys word"),
        ({"colour": "000"}, "here.colour: found '000'; allowed: a colour; '000' does not start with #"),
        ({"colour": 5}, "here.colour: found 5; allowed: a colour; '5' does not start with #"),
        ({"colours": ["#1", 1.5]}, "here.colours[1]: found 1.5; allowed: a colour; quote it"),
        ({"inner": {"count": 7}}, "here.inner: count must not be 7"),
        ({"name": "ABC"}, "here.name: found 'ABC'; allowed: text, of the form [a-z]+"),
        ({"name": "abc\n"}, r"here.name: found 'abc\n'; allowed: text, of the form [a-z]+"),
        ({"name": 1.3}, "quote it: without quotes YAML reads 1.30 as the number 1.3"),
        ({"name": datetime(2026, 1, 2, tzinfo=UTC)}, "found a value of type datetime; allowed: text, of the form"),
        ({"name": ["abc"]}, "here.name: found a list; allowed: text, of the form [a-z]+"),
        ({"name": b"abc"}, "here.name: found a value of type bytes"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem_in_these_words(keys: dict[str, object], expected: str) -> None:
    (problem,) = outer(**keys)
    assert expected in problem
    assert "\n" not in problem


def test_a_missing_key_comes_with_an_example() -> None:
    assert problems(Outer, {}) == ["here.name: missing; allowed: text, of the form [a-z]+; for example abc"]


@pytest.mark.parametrize("value", [None, [], "text", 5, {1: 2}])
def test_settings_are_a_mapping_of_known_keys(value: object) -> None:
    assert problems(Outer, value)


def test_all_problems_are_named_at_once_and_in_order() -> None:
    found = outer(extra=1, inner={"count": 99, "ratio": "x"}, inners=[{"count": -1}, 3], size="huge")
    assert [problem.split(": ")[0] for problem in found] == [
        "here.extra", "here.inner.count", "here.inner.ratio", "here.inners[0].count", "here.inners[1]", "here.size",
    ]  # fmt: skip


def test_an_object_with_problems_is_not_judged_as_a_whole() -> None:
    assert outer(inner={"count": 7, "extra": 1}) == [
        "here.inner.extra: unknown key; allowed: count, atLeast, atMost, ratio"
    ]


@pytest.mark.parametrize(
    "value", [{"adminPassword": 12345678}, {"byName": {"token": "12345678"}}, {"inners": [{"secure": "12345678"}]}]
)
def test_what_may_be_secret_is_never_shown(value: dict[str, object]) -> None:
    found = outer(**value)
    assert found
    assert "12345678" not in "".join(found)


def test_a_long_value_is_cut() -> None:
    (problem,) = outer(mode="x" * 5000)
    assert len(problem) < 120
    (problem,) = outer(colour="x" * 5000)
    assert len(problem) < 500
    (problem,) = outer(**{"x" * 5000: 1})
    assert len(problem) < 300


def test_a_dependent_field_is_decoded_by_the_chosen_type_wherever_it_stands() -> None:
    assert decode(Choosing, {"detail": {"count": 2}, "kind": "small"}, at="here", refine=REFINE).detail == Inner(
        count=2
    )
    assert problems(Choosing, {"detail": {"count": 99}, "kind": "small"}) == [
        "here.detail.count: found 99; allowed: a whole number, from 0 to 9"
    ]


def test_a_choice_that_is_not_available_is_a_problem_of_the_choice() -> None:
    assert problems(Choosing, {"detail": {"anything": 1}, "kind": "large"}) == ["here.kind: large is not available"]


@pytest.mark.parametrize("given", [{"detail": {"anything": 1}, "kind": "smal"}, {"detail": {"anything": 1}}])
def test_no_problem_is_invented_for_a_field_whose_type_is_unknown(given: dict[str, object]) -> None:
    (problem,) = problems(Choosing, given)
    assert problem.startswith("here.kind: ")


def test_a_problem_reads_as_path_found_allowed_hint() -> None:
    assert str(Problem("a.b", "found 1", "2, 3", "try 2")) == "a.b: found 1; allowed: 2, 3; try 2"
    assert str(Problem("a.b", "missing")) == "a.b: missing"


def test_the_error_holds_every_problem_on_a_line_of_its_own() -> None:
    error = SettingsError(Problem(name, "missing") for name in "ab")
    assert str(error) == "a: missing\nb: missing"
    assert len(error.problems) == 2


@pytest.mark.parametrize(
    ("path", "key", "joined"),
    [("a", "b", "a.b"), ("p:", "b", "p:b"), ("a", "x.y/z", 'a["x.y/z"]'), ("a", 5, "a[5]"), ("a", None, "a[nothing]")],
)
def test_a_path_is_unambiguous(path: str, key: object, joined: str) -> None:
    assert join(path, key) == joined


def test_the_nearest_word_ignores_case_and_far_words() -> None:
    assert nearest("GPUZ", ["gpus", "pods"]) == "did you mean 'gpus'?"
    assert nearest("zzz", ["gpus", "pods"]) == ""
    assert nearest(5, ["gpus"]) == ""


@pytest.mark.parametrize(
    ("value", "words"), [(None, "nothing"), (True, "true"), (1, "1"), ("a", "'a'"), ({}, "a mapping"), ((), "a list")]
)
def test_a_value_is_shown_in_few_words(value: object, words: str) -> None:
    assert show(value, "here") == words


@dataclass(frozen=True, kw_only=True, slots=True)
class Impossible:
    union: int | str = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class AlsoImpossible:
    bare: Any = 1


@pytest.mark.parametrize(("kind", "key"), [(Impossible, "union"), (AlsoImpossible, "bare")])
def test_a_settings_class_with_a_form_that_means_two_things_is_a_mistake_of_the_author(kind: type, key: str) -> None:
    with pytest.raises(TypeError, match="no form of a setting"):
        decode(kind, {key: 1}, at="here")

"""Names that services accept: within their limits, different for different words, the same tomorrow."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.naming import Kind, Limit, fit

WORDS = st.lists(st.text(max_size=70), min_size=1, max_size=4).map(tuple)
DNS_WORDS = st.lists(st.from_regex(r"[a-z][a-z0-9.-]{0,62}", fullmatch=True), min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name)
class TestNames:
    @given(words=WORDS | DNS_WORDS)
    def test_every_name_is_one_that_the_service_accepts(self, kind: Kind, words: tuple[str, ...]) -> None:
        assert kind.value.problem(fit(kind, *words)) is None

    @given(one=WORDS | DNS_WORDS, other=WORDS | DNS_WORDS)
    def test_other_words_have_another_name(self, kind: Kind, one: tuple[str, ...], other: tuple[str, ...]) -> None:
        assert (fit(kind, *one) == fit(kind, *other)) == (one == other)

    def test_words_that_read_the_same_when_joined_have_names_of_their_own(self, kind: Kind) -> None:
        alike = [("ml", "team-a"), ("ml-team", "a"), ("ml-team-a",), ("ML", "team-a"), ("ml", "team.a")]
        assert len({fit(kind, *words) for words in alike}) == len(alike)

    def test_words_that_are_cut_away_still_count(self, kind: Kind) -> None:
        assert len({fit(kind, "a" * 300, end) for end in ("x", "y", "z")}) == 3

    def test_what_stands_apart_makes_another_name_without_being_read(self, kind: Kind) -> None:
        names = [fit(kind, "ml"), fit(kind, "ml", apart=("ab12",)), fit(kind, "ml", "ab12")]
        assert len(set(names)) == len(names)
        assert "ab12" not in names[1]

    def test_the_beginning_can_be_read(self, kind: Kind) -> None:
        assert fit(kind, "gpu0", "trainer").startswith(("gpu0", "gpu"))


def test_names_stay_what_they_are() -> None:
    assert fit(Kind.AWS_ROLE, "ml", "team-a", "trainer") == "ml-team-a-trainer-wrrh6uwhjdpj"
    assert fit(Kind.AKS_POOL, "h100-spot") == "h100cqte6pu5"
    assert fit(Kind.GCP_ACCOUNT, "a-cluster-with-a-long-name", "nodes") == "a-cluster-with-a-7eweo5gg3u7e"


def test_each_kind_is_one_of_its_own_and_names_its_source() -> None:
    assert len({kind.value.what for kind in Kind}) == len(Kind.__members__) == len(list(Kind))
    assert all(kind.value.source for kind in Kind)


def test_what_pulumi_adds_is_left_free() -> None:
    limit = Limit(what="a pool", most=40, added=8, source="a test")
    assert len(fit(limit, "x" * 100)) == 32
    assert limit.problem("x" * 32) is None
    assert limit.problem("x" * 33) == f"a pool '{'x' * 33}' has 33 characters; allowed: 1 to 32"


@pytest.mark.parametrize(("first", "last"), list(product(("-", "1", "A", "_"), ("", "-", "--a"))))
def test_names_that_a_service_would_refuse_are_named(first: str, last: str) -> None:
    problem = Kind.GKE_CLUSTER.value.problem(f"{first}cluster{last}")
    assert problem is not None
    assert problem.startswith("GKE cluster '")

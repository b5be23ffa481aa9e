"""Names of roles on AWS: readable, within IAM's limits, and never one for two service accounts."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from infra.eks.identity import Principal, role_name

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
ACCOUNT = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,80}[a-z0-9])?", fullmatch=True)
WHO = st.tuples(LABEL, LABEL, ACCOUNT)


def name(cluster: str, namespace: str, account: str) -> str:
    return role_name(cluster, Principal(namespace=namespace, account=account))


@given(one=WHO, other=WHO)
def test_no_two_service_accounts_share_a_role(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (name(*one) == name(*other)) == (one == other)


@given(who=WHO)
def test_iam_accepts_the_name_of_every_role(who: tuple[str, str, str]) -> None:
    assert re.fullmatch(r"[\w+=,.@-]{1,64}", name(*who))


def test_words_that_read_the_same_when_joined_have_roles_of_their_own() -> None:
    alike = [("ml", "a-b", "c"), ("ml", "a", "b-c"), ("ml-a", "b", "c")]
    assert len({name(*words) for words in alike}) == len(alike)

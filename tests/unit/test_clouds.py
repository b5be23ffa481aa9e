"""What the clouds' options have in common: tags that every cloud takes, as tags or as labels."""

from __future__ import annotations

import re
from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from infra.clouds import Ownership
from infra.contract import Environment
from infra.gke.options import Site
from tests.support import clouds
from tests.support.cloud_gke import OPTIONS
from tests.support.cloud_samples import OWNERSHIP

# "Requirements for labels" of Google Cloud, the strictest of all.
KEY, VALUE = r"[a-z][a-z0-9_-]{0,62}", r"[a-z0-9_-]{0,63}"
PATTERNS: dict[str, str] = {item.name: item.metadata.get("pattern", "") for item in fields(Ownership)}
OWNERS: st.SearchStrategy[str] = st.from_regex(PATTERNS["owner"], fullmatch=True)


def test_keys_of_tags_are_labels_everywhere() -> None:
    assert all(re.fullmatch(KEY, key) for key in OWNERSHIP.tags("ml", "any"))


@given(owner=OWNERS)
def test_an_owner_with_dots_is_a_label_even_where_labels_have_none(owner: str) -> None:
    assert replace(OWNERSHIP, owner=owner).tags("ml", "any")["owner"] == owner
    options = replace(OPTIONS, ownership=replace(OWNERSHIP, owner=owner, cost_centre=owner))
    labels = Site.of(clouds.spec(Environment.GKE, options=options)).labels
    assert [value for value in labels.values() if not re.fullmatch(VALUE, value)] == []

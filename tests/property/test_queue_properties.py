"""What holds for every way of spreading a guarantee over flavors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubeflow.queues import spread

sizes = st.lists(st.integers(0, 10_000), min_size=1, max_size=8)


@given(st.integers(0, 10_000), sizes)
def test_no_guaranteed_gpu_is_lost_and_none_is_invented(total: int, given_sizes: list[int]) -> None:
    owned = spread(total, given_sizes)
    assert sum(owned) == total
    assert min(owned) >= 0


@given(st.integers(0, 10_000), sizes)
def test_each_flavor_gives_its_part_and_at_most_one_more(total: int, given_sizes: list[int]) -> None:
    every = sum(given_sizes)
    for owned, size in zip(spread(total, given_sizes), given_sizes, strict=True):
        if every:
            assert total * size // every <= owned <= total * size // every + 1

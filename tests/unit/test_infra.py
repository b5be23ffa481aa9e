"""Pure parts of infra: kubeconfigs, names and ports."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from infra.contract import Taint
from infra.kubeconfig import KubeconfigError, read, server_of
from infra.local import ports
from infra.naming import GPU_TAINT, complete_pool
from tests.support import samples


def test_the_server_of_the_current_context_is_found() -> None:
    assert server_of(samples.KUBECONFIG, origin="sample") == "https://127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not YAML"),
        ("just text", "not a kubeconfig: found str"),
        ("clusters: []", "current-context is missing"),
        ("current-context: a", "no context named 'a'; found none"),
        (samples.KUBECONFIG.replace("cluster: sample,", "cluster: other,"), "no cluster named 'other'; found sample"),
        (samples.KUBECONFIG.replace('server: "https://127.0.0.1:1"', "proxy-url: none"), "server is missing"),
    ],
)
def test_a_broken_kubeconfig_is_one_error_that_names_its_origin(text: str, message: str) -> None:
    with pytest.raises(KubeconfigError, match=message) as caught:
        server_of(text, origin="cluster.options.kubeconfigPath")
    assert str(caught.value).startswith("cluster.options.kubeconfigPath: ")
    assert "not-a-real-token" not in str(caught.value)


def test_a_missing_file_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"some\.key: cannot read .*nowhere: No such file"):
        read(tmp_path / "nowhere", key="some.key")


def test_what_a_human_adds_to_a_pool_stays() -> None:
    own = Taint(key="team", value="vision")
    pool = replace(samples.POOLS["l4"], labels={"zone": "blue"}, taints=(own,))
    completed = complete_pool("l4", pool)
    assert completed.labels["zone"] == "blue"
    assert completed.taints == (GPU_TAINT, own)


def test_completing_a_pool_twice_changes_nothing() -> None:
    once = complete_pool("l4", samples.POOLS["l4"])
    assert complete_pool("l4", once) == once


def test_a_pool_cannot_be_given_the_name_of_another() -> None:
    pool = replace(samples.POOLS["cpu"], labels={"proof.kubeflow/pool": "l4"})
    assert complete_pool("cpu", pool).labels["proof.kubeflow/pool"] == "cpu"


def test_ports_are_distinct_and_free() -> None:
    chosen = ports.choose()
    assert len(set(chosen.values())) == len(ports.NAMES)
    assert all(map(ports.free, chosen.values()))


def test_a_port_in_use_is_seen() -> None:
    with contextlib.closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert ports.answers(port)
        assert not ports.free(port)

"""The command line answers with exit statuses and messages that say what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeflow.distribution.__main__ import main


def test_sync_exits_with_failure_when_any_component_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    status = main(["sync", "--from", str(tmp_path / "data"), "--cache", str(tmp_path / "cache"), "--component", "dex"])
    assert status == 1
    assert "error: dex: " in capsys.readouterr().out
    assert main(["sync", "--from", str(tmp_path / "absent")]) == 2


def test_images_says_what_is_not_cached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "--cache", str(tmp_path), "--component", "dex"]) == 1
    assert "not cached: dex; run: python -m kubeflow.distribution sync" in capsys.readouterr().err


def test_list_shows_source_and_state_of_each_component(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["list", "--cache", str(tmp_path), "--component", "dex", "--component", "kube-prometheus-stack-crds"]) == 0
    )
    _, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert first[:3] + first[4:5] == ["dex", "2.45.0", "Apache-2.0", "no"]
    assert first[-1] == "common/dex/overlays/oauth2-proxy"
    assert second[-3:] == ["CRDs", "of", "kube-prometheus-stack"]

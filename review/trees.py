"""The two sides of a pull request as folders: the working tree, and the base in a temporary worktree of git.

Neither the user's files nor branches are touched. The base is where the branch began, so that what others merged since
is not taken for a change of this pull request.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

_SHARED = (".venv", ".tools")  # both sides are previewed with the same tools
_SHORT = 10


class TreeError(Exception):
    """A side of the comparison cannot be had; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """One side."""

    root: Path
    commit: str  # empty where there is no repository
    changed: bool = False  # with changes that are not committed

    @property
    def label(self) -> str:
        """How the report calls it."""
        if not self.commit:
            return "the working tree"
        return f"{self.commit[:_SHORT]}{' with uncommitted changes' if self.changed else ''}"


def head(root: Path) -> Tree:
    """The working tree, whatever it is a tree of."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return Tree(root=root, commit=commit, changed=bool(_git(root, "status", "--porcelain", "--untracked-files=no")))
    except TreeError:
        return Tree(root=root, commit="")


@contextlib.contextmanager
def base(root: Path, ref: str, folder: Path) -> Generator[Tree]:
    """Where the branch left `ref`, in a folder of its own; gone in the end."""
    commit = _began(root, ref)
    _git(root, "worktree", "add", "--quiet", "--detach", str(folder), commit)
    try:
        for name in _SHARED:
            if (root / name).exists() and not (folder / name).exists():
                (folder / name).symlink_to((root / name).resolve())
        yield Tree(root=folder, commit=commit)
    finally:
        _git(root, "worktree", "remove", "--force", str(folder))


def differs(root: Path, ref: str, *paths: str) -> bool:
    """Whether files below these paths are others than where the branch began."""
    return bool(_git(root, "diff", "--name-only", _began(root, ref), "--", *paths))


def _began(root: Path, ref: str) -> str:
    for name in (ref, f"origin/{ref}"):
        with contextlib.suppress(TreeError):
            commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            with contextlib.suppress(TreeError):
                return _git(root, "merge-base", commit, "HEAD")
            return commit
    raise TreeError(f"{ref}: no such branch, tag or commit here: fetch it, or name another one with --base")


def _git(root: Path, *arguments: str) -> str:
    try:
        ran = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise TreeError(f"git cannot be started: {error}") from error
    if ran.returncode:
        raise TreeError(f"`git {' '.join(arguments[:2])}` ended with {ran.returncode}: {ran.stderr.strip()[-300:]}")
    return ran.stdout.strip()

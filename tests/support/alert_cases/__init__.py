"""What each alert must say about invented pasts: values just beyond and just within its limits."""

from __future__ import annotations

from tests.support.rules import Case

from . import gpus, jobs, platform, security, serving

CASES: tuple[Case, ...] = (*serving.CASES, *gpus.CASES, *jobs.CASES, *platform.CASES, *security.CASES)

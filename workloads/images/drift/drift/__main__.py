"""Start the service: configuration comes from the environment, as in every container."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from aiohttp import web

from .core import Limits
from .reference import UnusableReferenceError, load
from .service import Service
from .window import PredictionLog


def main() -> int:
    """Serve until stopped."""
    settings = os.environ
    try:
        references = load(Path(settings.get("DRIFT_REFERENCES", "/references")))
        limits = Limits(
            alpha=float(settings.get("DRIFT_ALPHA", "0.01")),
            effect=float(settings.get("DRIFT_EFFECT", "0.1")),
            share=float(settings.get("DRIFT_SHARE", "0")),
        )
        window = int(settings.get("DRIFT_WINDOW_ROWS", "1000"))
    except (UnusableReferenceError, ValueError) as error:
        print(f"not started: {error}", file=sys.stderr)
        return 2
    if not references:
        print("not started: DRIFT_REFERENCES holds no <model>.json", file=sys.stderr)
        return 2
    log = PredictionLog(folder=Path(settings.get("DRIFT_LOG", "/predictions")))
    service = Service(references=references, limits=limits, window=window, log=log)
    host, port = settings.get("DRIFT_HOST", "0.0.0.0"), int(settings.get("DRIFT_PORT", "8080"))  # noqa: S104 - in a pod
    web.run_app(service.app(), host=host, port=port, access_log=None, print=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())

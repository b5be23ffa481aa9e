"""Started by the engine as a policy pack, by people as `python -m policies`. Prints nothing before it is served."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the engine starts this file by its path

from policies.guardrails import RULES

if __package__ == "policies":
    from policies.guardrails.check import main

    sys.exit(main(RULES, sys.argv[1:]))
else:
    from policies.guardrails.pack import run

    run(RULES)

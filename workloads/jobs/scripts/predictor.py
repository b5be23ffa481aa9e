# pyright: basic, reportMissingImports=false
"""Answers with the version that it was started as, so that whoever splits traffic can count what arrived where."""

import argparse
import os

import kserve


class Versioned(kserve.Model):
    """The sum of each row, signed by the version."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.version = os.environ["VERSION"]
        self.ready = True

    async def predict(self, payload: dict, headers: dict | None = None) -> dict:  # noqa: ARG002 - of the base class
        """One sum for each row."""
        return {"predictions": [sum(row) for row in payload["instances"]], "version": self.version}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    asked, _ = parser.parse_known_args()
    kserve.ModelServer().start([Versioned(asked.model_name)])

# pyright: basic, reportMissingImports=false
"""Turns inches into centimetres on the way to the predictor, which knows flowers in centimetres only."""

import argparse

import kserve

CENTIMETRES = 2.54


class Transformer(kserve.Model):
    """The protocol's calls between client and predictor."""

    def __init__(self, name: str, predictor_host: str) -> None:
        super().__init__(name, predictor_config=kserve.PredictorConfig(predictor_host=predictor_host))
        self.ready = True

    async def preprocess(self, payload: dict, headers: dict | None = None) -> dict:  # noqa: ARG002 - of the base class
        """Every value of every row."""
        return {"instances": [[value * CENTIMETRES for value in row] for row in payload["instances"]]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    asked, _ = parser.parse_known_args()
    kserve.ModelServer().start([Transformer(asked.model_name, asked.predictor_host)])

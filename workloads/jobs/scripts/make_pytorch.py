# pyright: basic, reportMissingImports=false
"""Exports a function of known answers as TorchScript, with the description that Triton wants beside it."""

import json
import os
from pathlib import Path

import torch
from torch import nn

CONFIGURATION = """
platform: "pytorch_libtorch"
max_batch_size: 64
input [{ name: "rows__0", data_type: TYPE_FP32, dims: [4] }]
output [{ name: "doubled__0", data_type: TYPE_FP32, dims: [1] }]
"""


class Doubled(nn.Module):
    """Twice the sum of a row: golden answers need no training."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """One value for each row."""
        return 2.0 * rows.sum(dim=1, keepdim=True)


if __name__ == "__main__":
    folder = Path(os.environ["MODELS"]) / os.environ["MODEL"]
    (folder / "1").mkdir(parents=True, exist_ok=True)
    torch.jit.script(Doubled()).save(folder / "1" / "model.pt")
    (folder / "config.pbtxt").write_text(CONFIGURATION, encoding="utf-8")
    some = [[number / 10, 1.0, number / 20, 0.5] for number in range(int(os.environ["ROWS"]))]
    answers = torch.jit.load(folder / "1" / "model.pt")(torch.tensor(some)).flatten()
    Path(os.environ["SAID"]).write_text(json.dumps({"rows": some, "answers": answers.tolist()}))

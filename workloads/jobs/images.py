"""Images of the jobs. Data only. A digest stands here once somebody has seen it; none is invented."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """One image by tag, and by digest where it is known."""

    name: str
    tag: str
    digest: str = ""

    def __str__(self) -> str:
        """As a pod names it."""
        return f"{self.name}:{self.tag}{f'@{self.digest}' if self.digest else ''}"


PYTORCH = Image(name="pytorch/pytorch", tag="2.7.1-cuda12.8-cudnn9-runtime")  # of upstream's torch-distributed, 26.03
TENSORFLOW = Image(name="tensorflow/tensorflow", tag="2.19.0")
TENSORFLOW_GPU = Image(name="tensorflow/tensorflow", tag="2.19.0-gpu")
HOROVOD = Image(name="horovod/horovod", tag="0.28.1")  # the last one there is
SKLEARN = Image(name="kserve/sklearnserver", tag="v0.16.0")  # of KServe's own runtime in 26.03
XGBOOST = Image(name="kserve/xgbserver", tag="v0.16.0")  # likewise
TENSORFLOW_SERVING = Image(name="tensorflow/serving", tag="2.6.2")  # likewise
TRITON = Image(name="nvcr.io/nvidia/tritonserver", tag="23.05-py3")  # likewise
PYTHON = Image(name="python", tag="3.11.13-slim-bookworm")

IMAGES = (PYTORCH, TENSORFLOW, TENSORFLOW_GPU, HOROVOD, SKLEARN, XGBOOST, TENSORFLOW_SERVING, TRITON, PYTHON)

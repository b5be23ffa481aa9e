"""One trial: an objective whose optimum is known, so that whether the search worked can be computed."""

import argparse
import math

BEST_RATE, BEST_DEPTH = 0.1, 4


def objective(rate: float, depth: int) -> float:
    """One at the optimum, less everywhere else."""
    return math.exp(-(math.log10(rate / BEST_RATE) ** 2)) / (1 + abs(depth - BEST_DEPTH))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--depth", type=int, required=True)
    asked = parser.parse_args()
    print(f"objective={objective(asked.learning_rate, asked.depth):.6f}")  # noqa: T201 - Katib reads the log

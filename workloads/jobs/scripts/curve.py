"""Fits a line by gradient descent and writes the loss of every step for TensorBoard; its last words are what it wrote.

Needs nothing but Python: TensorBoard's event files are records of TensorFlow with a small protocol buffer in each.
"""

import json
import os
import random
import struct
import time
from pathlib import Path

TAG = "loss"
_POLYNOMIAL = 0x82F63B78  # CRC-32C, reflected


def crc(data: bytes) -> int:
    """The checksum of a record, masked as TensorFlow does it."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """Length, data, and the checksum of either."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", crc(length)) + data + struct.pack("<I", crc(data))


def text(field: int, data: bytes) -> bytes:
    """A field with a length; all of ours are short."""
    return bytes([field << 3 | 2, len(data)]) + data


def event(content: bytes) -> bytes:
    """Event: wall_time = 1, then what it is about."""
    return record(b"\x09" + struct.pack("<d", time.time()) + content)


def scalar(step: int, value: float) -> bytes:
    """Step = 2, summary = 5 with one value = 1 of tag = 1 and simple_value = 2."""
    told = text(1, TAG.encode()) + b"\x15" + struct.pack("<f", value)
    return event(bytes([0x10, step]) + text(5, text(1, told)))


def losses(steps: int) -> list[float]:
    """Of a line through points that nearly lie on one."""
    chance = random.Random(1)  # noqa: S311 - data, no secret
    points = [(x / 50, 3 * x / 50 + 1 + chance.gauss(0, 0.1)) for x in range(100)]
    slope = level = 0.0
    found = []
    for _ in range(steps):
        errors = [(slope * x + level - y, x) for x, y in points]
        found.append(sum(error * error for error, _ in errors) / len(errors))
        slope -= 0.2 * sum(error * x for error, x in errors) / len(errors)
        level -= 0.2 * sum(error for error, _ in errors) / len(errors)
    return found


def main() -> None:
    """All steps, then one line of result."""
    folder, steps = Path(os.environ["LOGS"]), int(os.environ["STEPS"])
    folder.mkdir(parents=True, exist_ok=True)
    curve = losses(steps)
    events = [event(text(3, b"brain.Event:2")), *(scalar(step, value) for step, value in enumerate(curve))]
    name = f"events.out.tfevents.{int(time.time())}.proof"
    (folder / name).write_bytes(b"".join(events))
    result = {"tag": TAG, "losses": [round(one, 6) for one in curve]}
    print(json.dumps(result), flush=True)  # noqa: T201 - kept with the evidence
    Path(os.environ.get("RESULT", "/dev/termination-log")).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()

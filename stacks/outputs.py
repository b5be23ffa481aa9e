"""The stack's outputs: the only caller of `export`, and the only reader of what it wrote.

Whoever comes after `up` (validation, dashboards, reports, another stack) starts from `parse`.
"""

from __future__ import annotations

"""What can go wrong with an object, as the engine is told. Knows no object."""

from __future__ import annotations

from typing import Any

from rehearsal.kubernetes_provider.wire import Object

NO_MATCH = "NoMatch"  # reason of an ApiError: the server does not serve the kind
ALREADY_EXISTS = "AlreadyExists"
FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409


class ApiError(Exception):
    """The API server refused a request; the text is its own message."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class WaitFailedError(Exception):
    """An object exists but did not reach its goal; the arguments are the reasons."""

    def __str__(self) -> str:
        return "; ".join(map(str, self.args))


class KeptError(Exception):
    """An operation failed but the object exists: the engine keeps this state."""

    def __init__(
        self, text: str, reasons: tuple[Any, ...], *, name: str, state: Object, inputs: Object | None = None
    ) -> None:
        super().__init__(text)
        self.reasons = [str(reason) for reason in reasons]
        self.name = name
        self.state = state
        self.inputs = inputs


class ElsewhereError(Exception):
    """A rehearsal must not reach this server."""

# pyright: basic, reportMissingImports=false
"""Answers every request at once with the same few bytes, so that whoever stands before it can be measured."""

import uvicorn

BODY = b'{"served_by": "echo"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def answer(scope, receive, send) -> None:  # noqa: ANN001 - as ASGI has them
    """One request."""
    while scope["type"] == "http" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(answer, host="0.0.0.0", port=8080, lifespan="off", access_log=False, log_level="warning")  # noqa: S104

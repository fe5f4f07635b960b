"""How much of a request's body is taken."""

from __future__ import annotations

from typing import Any

from starlette.types import Message, Receive

from entitlements.api.auth.errors import BodyTooLarge


def check_length(content_length: bytes | None, bytes_max: int) -> bool:
    """Whether the request says how long its body is. Raises BodyTooLarge when it says too much; the server holds it to it."""
    if content_length is None:
        return False
    # 20 digits are more than any body has, and few enough to be read as a number without cost.
    length = int(content_length) if content_length.isdigit() and len(content_length) < 20 else bytes_max + 1
    if length > bytes_max:
        raise BodyTooLarge(f"{length} bytes; {bytes_max} are taken.")
    return True


async def taken(receive: Receive, bytes_max: int) -> Receive:
    """Read a body that does not say how long it is, and give it to whoever asks. Raises BodyTooLarge."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return _after([message], receive)  # Whoever sent it is gone.
        body += message.get("body", b"")
        if len(body) > bytes_max:
            raise BodyTooLarge(f"More than {bytes_max} bytes.")
        more = message.get("more_body", False)
    return _after([{"type": "http.request", "body": bytes(body), "more_body": False}], receive)


def _after(first: list[Any], receive: Receive) -> Receive:
    async def receive_after() -> Message:
        return first.pop() if first else await receive()

    return receive_after

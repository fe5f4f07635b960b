"""Reads request bodies: how large they may be, of how many values, and how long they may take to arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from starlette.types import Message, Receive

from entitlements.api.auth.errors import BodyTooLarge, RequestTimeout, UnsupportedEncoding

#: Bytes that earn a body one second more: a slow line is fine, a client that stalls is not.
BYTES_PER_S_MIN: Final = 16 * 1024
#: Seconds that a body has to earn before they are added.
_EARNED_AT_ONCE_FOR: Final = 0.01
#: Values of a body of JSON at most, counted by what begins or divides them: reading costs by the value, 50 ns and more, and cannot be broken
#: off. 10,000 events with 30 fields each are fewer.
VALUES_MAX: Final = 400_000


def check_length(content_length: bytes | None, bytes_max: int) -> None:
    """Raises BodyTooLarge when the request announces a body that is too large; the server holds it to what it announces."""
    if content_length is None:
        return
    # 20 digits are more than any body has, and few enough to be read as a number without cost.
    length = int(content_length) if content_length.isdigit() and len(content_length) < 20 else bytes_max + 1
    if length > bytes_max:
        raise BodyTooLarge(f"{length} bytes; the maximum is {bytes_max}.")


def check_encoding(encodings: Iterable[bytes]) -> None:
    """Raises UnsupportedEncoding when a body comes otherwise than it is, such as compressed (RFC 9110, 8.4)."""
    for said in encodings:
        for encoding in said.decode("latin-1").split(","):
            if encoding.strip().lower() not in {"", "identity"}:
                raise UnsupportedEncoding(f"Content-Encoding is {encoding.strip()[:40]}. Send the body uncompressed.")


async def taken(receive: Receive, bytes_max: int, within_for: float, hold: Callable[[int], None]) -> Receive:
    """Read a body, and give it to whoever asks. Raises BodyTooLarge, RequestTimeout, and what hold raises: it hears of all bytes that are kept.

    within_for: seconds for the first bytes; each BYTES_PER_S_MIN bytes earn one more. Before the application: what it costs to wait for a
    slow body is one buffer, and an answer that says so.
    """
    whole = bytearray()  # A list of parts of two bytes each would take forty times as much.
    values, earned = 0, 0.0
    try:
        async with asyncio.timeout(within_for) as deadline:
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return _after([message], receive)  # Whoever sent it is gone.
                part = message.get("body", b"")
                if len(whole) + len(part) > bytes_max:
                    raise BodyTooLarge(f"More than {bytes_max} bytes.")
                values += len(part) - len(part.translate(None, b",[{"))
                if values > VALUES_MAX:
                    raise BodyTooLarge(f"More than {VALUES_MAX} values.")
                hold(len(part))
                if not whole and not message.get("more_body", False):
                    return _after([{"type": "http.request", "body": part, "more_body": False}], receive)
                whole += part
                if not message.get("more_body", False):
                    break
                earned += len(part) / BYTES_PER_S_MIN
                if earned >= _EARNED_AT_ONCE_FOR:  # Each time takes a timer of the loop, for a while.
                    deadline.reschedule((deadline.when() or 0.0) + earned)
                    earned = 0.0
    except TimeoutError:
        raise RequestTimeout(
            f"{len(whole)} bytes arrived within {within_for:g} s and the time allowed for them."
        ) from None
    return _after([{"type": "http.request", "body": bytes(whole), "more_body": False}], receive)


def _after(first: list[Any], receive: Receive) -> Receive:
    async def receive_after() -> Message:
        return first.pop() if first else await receive()

    return receive_after

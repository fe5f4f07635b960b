"""The media types of bodies: one rule for all routes."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request

from entitlements.api.problems import Problem

#: The media type of every body but that of events.
JSON: Final = "application/json"
_JSON: Final = JSON.encode()
#: As nearly everybody writes it.
_PLAIN: Final = frozenset({_JSON, f"{JSON}; charset=utf-8".encode(), f"{JSON};charset=utf-8".encode()})
_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*["']?([^"';\s]*)""", re.IGNORECASE)
#: What UTF-8 is called, and its part that others call by a name of its own.
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def is_plain_json(content_type: bytes) -> bool:
    """Whether a Content-Type is that of JSON, seen at a glance; False: media_type_of knows."""
    return content_type in _PLAIN


def media_type_of(request: Request) -> str:
    """The media type of a request's body without its parameters; empty: it has none. Raises Problem: unsupported_media_type.

    JSON is UTF-8 (RFC 8259, 8.1): a body in another charset would be read as another text.
    """
    said = request.headers.get("content-type", "")
    media_type, _, parameters = said.partition(";")
    found = _CHARSET.search(said) if parameters else None
    if found is not None and found[1].lower() not in _UTF_8:
        raise Problem("unsupported_media_type", f"The charset of JSON must be UTF-8, not {found[1]}.")
    return media_type.strip().lower()


def require_json(request: Request) -> None:
    """The one rule for bodies: they are application/json. Raises Problem: unsupported_media_type."""
    if next((value for name, value in request.scope["headers"] if name == b"content-type"), b"") == _JSON:
        return
    media_type = media_type_of(request)
    if media_type != JSON:
        raise Problem("unsupported_media_type", f"Send the body as {JSON}; Content-Type is {media_type or 'missing'}.")

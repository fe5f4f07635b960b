"""GET /docs: the interactive page of the API. Swagger UI comes from files that are installed with us: it works without a network.

The page asks for an API key, sends requests to the service that served it, and keeps nothing.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_HTML: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Entitlements API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
#: No script in the page itself, so that it may be forbidden there. validatorUrl: the document is sent to nobody.
_START: Final = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""
_TYPES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "public, max-age=3600",
}

#: Open to everybody, as the document is.
PATHS: Final = ("/docs", "/docs/start.js", *(f"/docs/{name}" for name in _TYPES))


def routes() -> list[Route]:
    """The routes of the page."""
    return [Route(path, _answer, methods=["GET"], include_in_schema=False) for path in PATHS]


async def _answer(request: Request) -> Response:
    name = request.url.path.rpartition("/")[2]
    if name == "docs":
        return Response(_HTML, headers=_HEADERS, media_type="text/html")
    if name == "start.js":
        return Response(_START, headers=_HEADERS, media_type="text/javascript")
    return Response(_file(name), headers=_HEADERS, media_type=_TYPES[name])


@cache
def _file(name: str) -> bytes:
    return files("fastapi_swagger").joinpath("resources", name).read_bytes()

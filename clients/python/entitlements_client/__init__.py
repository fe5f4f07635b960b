"""Asks Entitlements what a customer may do, in microseconds, and reports what was used.

deciding      may they? pure: the service decides by the same code
transport     HTTP: Client and AsyncClient, with every route of the service
asking        three ways to decide: Remote, Cached, Local; what is answered while the service is away
leasing       local quota: a lease is drawn down in memory, and a strict limit stays strict
usage         usage that waits on disk until it is reported
errors        the tree of what can go wrong
access_log    tells the service what was decided here
openfeature   a provider for OpenFeature
frameworks    requires_entitlement for FastAPI and Starlette, Flask, and Django

Start reading at asking/facades.py. Names are imported when they are first used: the service itself takes `deciding` alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entitlements_client.access_log import Sampling
    from entitlements_client.asking.facades import AsyncEntitlements, Entitlements
    from entitlements_client.asking.failing import FailClosed, FailOpen, Grace
    from entitlements_client.asking.ways import Cached, Local, Remote
    from entitlements_client.deciding import Context, Decision, Request
    from entitlements_client.errors import EntitlementsError
    from entitlements_client.leasing.terms import LeaseTerms
    from entitlements_client.transport.attempts import Retries
    from entitlements_client.transport.clients import AsyncClient, Client, Service
    from entitlements_client.usage import UsageBuffer

_WHERE = {
    "Sampling": "access_log",
    "AsyncEntitlements": "asking.facades",
    "Entitlements": "asking.facades",
    "FailClosed": "asking.failing",
    "FailOpen": "asking.failing",
    "Grace": "asking.failing",
    "Cached": "asking.ways",
    "Local": "asking.ways",
    "Remote": "asking.ways",
    "Context": "deciding",
    "Decision": "deciding",
    "Request": "deciding",
    "EntitlementsError": "errors",
    "LeaseTerms": "leasing.terms",
    "Retries": "transport.attempts",
    "AsyncClient": "transport.clients",
    "Client": "transport.clients",
    "Service": "transport.clients",
    "UsageBuffer": "usage",
}

__all__ = [
    "AsyncClient",
    "AsyncEntitlements",
    "Cached",
    "Client",
    "Context",
    "Decision",
    "Entitlements",
    "EntitlementsError",
    "FailClosed",
    "FailOpen",
    "Grace",
    "LeaseTerms",
    "Local",
    "Remote",
    "Request",
    "Retries",
    "Sampling",
    "Service",
    "UsageBuffer",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)

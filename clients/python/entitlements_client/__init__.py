"""Client for Entitlements: check access in microseconds, record usage, use every route of the service.

deciding      decisions, without I/O; the service uses the same code
transport     HTTP: Client and AsyncClient, with every route of the service
asking        three modes: Remote, Cached, Local; failure modes for outages
leasing       local quota: a lease is drawn down in memory; strict limits stay strict
usage         buffer on disk for usage that is reported in the background
errors        the exceptions
access_log    reports local decisions to the access log
openfeature   a provider for OpenFeature
frameworks    requires_entitlement for FastAPI and Starlette, Flask, and Django

Start reading at asking/facades.py. Names are imported on first use: the service itself needs `deciding` only.
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

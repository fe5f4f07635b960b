"""requires_entitlement for web frameworks: one line above a view that needs an entitlement.

requirement  shared code: the check, the responses 403 and 503, and recording of usage
starlette    FastAPI and Starlette: a middleware and a decorator
flask        Flask: an extension and a decorator
django       Django: a middleware and a decorator

Import each by its name. The framework itself is not a dependency of this package.
"""

from __future__ import annotations


def extra_is_missing(error: ModuleNotFoundError, extra: str) -> ModuleNotFoundError:
    """What to install, for a module that is not there."""
    needed = (
        f"entitlements_client.frameworks.{extra} needs the extra `{extra}`: pip install 'entitlements-client[{extra}]'."
    )
    return ModuleNotFoundError(needed, name=error.name)

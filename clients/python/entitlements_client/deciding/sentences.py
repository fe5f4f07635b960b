"""What each reason code means, for people: the same words over HTTP, in clients and on the command line."""

from __future__ import annotations

from typing import Final

_COUNTED: Final = "{quantity} of {key} requested, {remaining} remaining."
_NOT_COUNTED: Final = "{quantity} of {key} requested: more than remains."
#: Codes of programs that are newer than this one have no sentence of their own.
_SENTENCES: Final = {
    "allowed": "{key} is included.",
    "inherited": "{key} is granted by {path}.",
    "policy_allowed": "Policy {policy} allows {key}{because}.",
    "policy_denied": "Policy {policy} denies {key}{because}.",
    "not_entitled": "{customer} has no active plan that includes {key}.",
    "provision_suspended": "The plan that includes {key} is suspended.",
    "revoked": "{customer} has lost access to {key}; the reason is not known yet.",
    "denied": "A rule denies {key}.",
    "overridden": "An administrator has denied {key}.",
    "quota_exceeded": _COUNTED,
    "member_cap_reached": "{quantity} of {key} requested, {remaining} remaining within the member's caps.",
    "role_is_too_low": "{key} needs a higher role.",
    "pool_is_suspended": "{key} is not available: the pool is suspended.",
    "pool_is_closed": "{key} is not available: the pool is closed.",
    "country_unknown": "{key} is limited to some countries, and the request has no country.",
    "country_not_allowed": "{key} is not available in the country of the request.",
    "not_yet_valid": "{key} is not available yet.",
    "no_longer_valid": "{key} is no longer available.",
    "invalid_quantity": "A quantity is an integer from 1 to 2^53.",
    "context_too_large": "The context of the request is too large.",
}


def sentence_of(  # noqa: PLR0913 - a fact for each blank.
    reason_code: str,
    *,
    key: str,
    customer: str,
    quantity: str = "1",
    remaining: str = "unlimited",
    is_counted: bool = False,
    is_known: bool = True,
    policy: str = "",
    because: str = "",
    path: str = "",
) -> str:
    """The sentence of a decision. Quantities as people see them; is_counted: the key is no feature; is_known: what remains is."""
    template = _SENTENCES.get(reason_code, "{key}: " + reason_code.replace("_", " ") + ".")
    if reason_code == "allowed" and is_counted:
        template = _COUNTED
    if reason_code == "quota_exceeded" and not is_known:  # A lease learns only that it gets no more.
        template = _NOT_COUNTED
    return template.format(
        key=key, customer=customer, quantity=quantity, remaining=remaining, policy=policy, because=because,
        path=path or "a key that is held",
    )  # fmt: skip

"""The errors of the service: the tree is the table of contents.

EntitlementsError
├── CommandRefused          domain/errors.py: a rule says no; the caller's business
├── RequestError            the request is invalid as it is
│   ├── NotFound            UnknownPool, UnknownSet, UnknownLadder, UnknownKey, UnknownOrganization, UnknownCustomer
│   ├── AmbiguousCustomer
│   ├── CommandIsTooLarge
│   └── InvalidRequest
├── OutcomeUnknown          no answer in time: retry with the same idempotency key
├── LedgerError             ledger/chain.py: the record of truth does not continue; every reader stops
│   ├── LedgerIsCorrupt
│   └── LedgerHasAGap
├── ServerIsAway            a broker or database does not answer
├── SettingIsWrong          a setting cannot be right: no use in trying again
└── AddressIsTaken          a server cannot listen where it is to

The docstring is the message, the code is for ever; `advice.py` says what to do.
"""

from __future__ import annotations

from typing import ClassVar


class EntitlementsError(Exception):
    """Internal error."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str = "") -> None:
        #: What is particular to this one.
        self.detail = detail
        said = (type(self).__doc__ or "").strip().splitlines()[0]
        whole = f"{said} {detail}".strip()
        super().__init__(whole[:-1] if whole.endswith("..") else whole)


class RequestError(EntitlementsError):
    """Invalid request."""

    code = "invalid_request"


class NotFound(RequestError):
    """Not found."""

    code = "unknown_thing"

    def __init__(self, which: str = "") -> None:
        said = (type(self).__doc__ or "").strip().rstrip(".")
        Exception.__init__(self, f"{said}: {which.rstrip('.')}." if which else f"{said}.")


class InvalidRequest(RequestError):
    """Invalid request."""


class CommandIsTooLarge(RequestError):
    """The command is too large."""

    code = "command_is_too_large"


class UnknownPool(NotFound):
    """No such pool."""

    code = "unknown_pool"


class UnknownSet(NotFound):
    """No such entitlement set."""

    code = "unknown_set"


class UnknownLadder(NotFound):
    """No such plan ladder."""

    code = "unknown_ladder"


class UnknownKey(NotFound):
    """No such resource key."""

    code = "unknown_key"


class UnknownOrganization(NotFound):
    """No such organization."""

    code = "unknown_organization"


class UnknownCustomer(NotFound):
    """The customer is not assigned to a pool."""

    code = "unknown_customer"


class AmbiguousCustomer(RequestError):
    """More than one organization has a customer with this id."""

    code = "ambiguous_customer"


class OutcomeUnknown(EntitlementsError):
    """Timeout: the command may or may not have taken effect."""

    code = "outcome_unknown"


class LedgerError(EntitlementsError):
    """The ledger is inconsistent."""

    code = "ledger_error"


class LedgerIsCorrupt(LedgerError):
    """The bytes of a ledger frame do not match its hash."""

    code = "ledger_is_corrupt"


class LedgerHasAGap(LedgerError):
    """Ledger frames are missing."""

    code = "ledger_has_a_gap"


class ServerIsAway(EntitlementsError):
    """A server is unreachable."""

    code = "server_is_away"


class AddressIsTaken(EntitlementsError):
    """Cannot listen on the address."""

    code = "address_is_taken"


class SettingIsWrong(EntitlementsError):
    """Invalid setting."""

    code = "setting_is_wrong"

"""The errors of the service: the tree is the table of contents.

EntitlementsError
├── CommandRefused          domain/errors.py: a rule says no; the caller's business
├── RequestError            the request cannot be sent as it is
│   ├── UnknownPool, UnknownSet, UnknownLadder, UnknownKey, UnknownWorkspace
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

The docstring is the message, the code is for ever.
"""

from __future__ import annotations

from typing import ClassVar


class EntitlementsError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str = "") -> None:
        #: What is particular to this one.
        self.detail = detail
        said = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{said} {detail}".strip())


class RequestError(EntitlementsError):
    """The request cannot be sent as it is."""

    code = "invalid_request"


class InvalidRequest(RequestError):
    """The request is not valid."""


class CommandIsTooLarge(RequestError):
    """The command is larger than the log takes."""

    code = "command_is_too_large"


class UnknownPool(RequestError):
    """There is no such pool."""

    code = "unknown_pool"


class UnknownSet(RequestError):
    """There is no such entitlement set."""

    code = "unknown_set"


class UnknownLadder(RequestError):
    """There is no such plan ladder."""

    code = "unknown_ladder"


class UnknownKey(RequestError):
    """There is no such resource key."""

    code = "unknown_key"


class UnknownWorkspace(RequestError):
    """No pool is assigned to this workspace."""

    code = "unknown_workspace"


class AmbiguousCustomer(RequestError):
    """More than one organization has a customer with this id."""

    code = "ambiguous_customer"


class OutcomeUnknown(EntitlementsError):
    """No answer came in time; the command may or may not have had its effect."""

    code = "outcome_unknown"


class LedgerError(EntitlementsError):
    """The ledger does not continue."""

    code = "ledger_error"


class LedgerIsCorrupt(LedgerError):
    """A frame's bytes do not match its hash."""

    code = "ledger_is_corrupt"


class LedgerHasAGap(LedgerError):
    """A frame hangs on nothing that was seen."""

    code = "ledger_has_a_gap"


class ServerIsAway(EntitlementsError):
    """A server does not answer."""

    code = "server_is_away"


class AddressIsTaken(EntitlementsError):
    """The server cannot listen on its address."""

    code = "address_is_taken"


class SettingIsWrong(EntitlementsError):
    """A setting is wrong."""

    code = "setting_is_wrong"

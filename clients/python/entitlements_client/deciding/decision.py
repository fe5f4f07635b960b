"""What was decided, and why: on allow and on deny."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self

from entitlements_client.deciding.context import Request
from entitlements_client.deciding.instants import rfc3339, seconds_of
from entitlements_client.deciding.policies import Policy, PolicySet
from entitlements_client.deciding.sentences import sentence_of
from entitlements_client.deciding.unique import new_id
from entitlements_client.deciding.view import AsOf, CustomerView, Entry, first_end

_NEVER: Final = float("inf")
#: Stands for what a customer has not.
_NOTHING: Final = Entry("", {"entitlement_type": None})

#: A client has heard that the customer has the key no longer, and has not read why.
REVOKED_JUST_NOW: Final = "revoked"


class Decision:
    """A decision on a request. Everything but the answer itself is computed on first use.

    source         SERVICE, LOCAL, CACHED, STALE, LEASE or FALLBACK: where it was decided
    needs_service  not empty: the service may decide otherwise, for this reason: subject_caps (the subject may have a cap of its
                   own), members_incomplete (the view does not contain the subject's role), valid_until_over (something has ended),
                   reset_is_due (there may be more by now: what is allowed is allowed, what is refused may not be)
    """

    __slots__ = (
        "_data_type",
        "_decided_s",
        "_decision_id",
        "_ends_at",
        "_entry",
        "_matched",
        "_policies",
        "_request",
        "_sentence",
        "_view",
        "allowed",
        "needs_service",
        "policy_version",
        "reason_code",
        "source",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - made once per request: by place, because names would cost half as much again.
        self,
        allowed: bool,  # noqa: FBT001
        reason_code: str,
        view: CustomerView,
        entry: Entry | None,
        request: Request,
        matched: Sequence[Policy | Mapping[str, Any]],
        policy_version: int,
        needs_service: str,
        decided_s: float,
        source: str,
        policies: PolicySet | None = None,
    ) -> None:
        self.allowed = allowed
        self.reason_code = reason_code
        self._view = view
        self._entry = entry
        self._request = request
        self._matched = matched
        self.policy_version = policy_version
        self.needs_service = needs_service
        self._decided_s = decided_s
        self.source = source
        self._decision_id = ""
        self._sentence = ""
        self._policies = policies
        if policies is None:  # Of a decision that somebody else made, what they said.
            self._ends_at: str | None = None
            self._data_type: str | None = None

    def __repr__(self) -> str:
        answer = "allowed" if self.allowed else "refused"
        return f"<Decision {answer} ({self.reason_code}) {self.resource_key} for {self.customer_id}, {self.source}>"

    @property
    def entry_alone(self) -> Entry | None:
        """What the customer has of the key, if everything but the id and the instant of this decision follows from that, from the reason
        and from the policies; None: more does.
        """
        request, policies = self._request, self._policies
        if request.quantity is not None or policies is None or type(request.resource_key) is not str:
            return None
        return self._entry if policies.program(request.resource_key) is None else None

    @property
    def policies(self) -> PolicySet | None:
        """The policies that this was decided by; None: somebody else decided it."""
        return self._policies

    @property
    def customer_id(self) -> str:
        return self._request.customer_id

    @property
    def resource_key(self) -> str:
        return self._request.resource_key

    @property
    def quantity(self) -> int | None:
        """The requested quantity, in the smallest unit; None: access in general."""
        return self._request.quantity

    @property
    def subject_id(self) -> str:
        return self._request.subject_id

    @property
    def entitlement_type(self) -> str | None:
        return None if self._entry is None else self._entry.entitlement_type

    @property
    def pool_id(self) -> str | None:
        return None if self._entry is None else self._entry.pool_id

    @property
    def limit(self) -> int | None:
        return None if self._entry is None else self._entry.limit

    @property
    def consumed(self) -> int | None:
        return None if self._entry is None else self._entry.consumed

    @property
    def owed(self) -> int | None:
        """Unpaid overage of this and earlier periods; None: a feature, or unknown."""
        return None if self._entry is None else self._entry.owed

    @property
    def remaining(self) -> int | None:
        """The largest quantity that strict usage could record; None: unlimited, or a feature."""
        return None if self._entry is None else self._entry.remaining

    @property
    def resets_at(self) -> str | None:
        return None if self._entry is None else self._entry.resets_at

    @property
    def data_type(self) -> str | None:
        """Data type of the key, "boolean" or "integer"; None: the customer has nothing of it, and it is not defined."""
        if self._entry is not None:
            return "boolean" if self._entry.is_feature else "integer"
        if self._policies is None:
            return self._data_type
        return self._policies.keys.get(self.resource_key) if type(self.resource_key) is str else None

    @property
    def ends_at(self) -> str | None:
        """When the answer may change without a command: a provision or override ends, or a policy starts or stops applying. Resets
        are not included. None: never.
        """
        if self._policies is None:
            return self._ends_at
        view, entry, now_s = self._view, self._entry, self._decided_s
        ends_s = [_NEVER if entry is None else entry.ends_s]
        if entry is not None and not entry.is_plain:
            through = [view.entitlements.get(key) for key in (entry.resource_key, *entry.inherited_path)]
            ends_s += [one.constraints.end_s for one in through if one is not None and one.constraints is not None]
        program = self._policies.program(self.resource_key) if type(self.resource_key) is str else None
        if program is not None:
            ends_s.append(program.changes_at(now_s))
            if program.asks_subscription:
                ends_s.append(view.subscription_ends_s)
        first_s = min(ends_s)
        if entry is not None and first_s == entry.ends_s:
            return entry.ends_at
        return None if first_s == _NEVER else rfc3339(first_s)

    @property
    def contributions(self) -> Sequence[Mapping[str, Any]]:
        """The provisions that contribute to the answer."""
        return () if self._entry is None else self._entry.contributions

    @property
    def as_of(self) -> AsOf:
        """How fresh the answer is."""
        return self._view.as_of

    @property
    def decided_at(self) -> datetime:
        """When this was decided."""
        return datetime.fromtimestamp(self._decided_s, UTC)

    @property
    def decided_at_text(self) -> str:
        """The same as RFC 3339 text."""
        return self.decided_at.isoformat().replace("+00:00", "Z")

    @property
    def matched_policies(self) -> list[dict[str, Any]]:
        """The policies that matched, the winner first: policy_id, effect, priority."""
        return [dict(one) if isinstance(one, Mapping) else one.named() for one in self._matched]

    @property
    def decision_id(self) -> str:
        """Id of this decision in logs, generated on first use."""
        if not self._decision_id:
            self._decision_id = new_id()
        return self._decision_id

    @property
    def sentence(self) -> str:
        """The reason as text."""
        if self._sentence:
            return self._sentence
        reason = next((one.reason for one in self._matched[:1] if isinstance(one, Policy)), "")
        path = [] if self._entry is None else [key for key in self._entry.inherited_path if key != self.resource_key]
        quantity, remaining = self.quantity, self.remaining
        self._sentence = sentence_of(
            self.reason_code,
            key=self.resource_key,
            customer=self.customer_id,
            quantity=f"{quantity:,}" if isinstance(quantity, int) else "1",
            remaining="unlimited" if remaining is None else f"{remaining:,}",
            is_known=self._entry is not None,
            is_counted=self._entry is not None and not self._entry.is_feature,
            policy=self.matched_policies[0]["policy_id"] if self._matched else "",
            because=f": {reason.rstrip('.')}" if reason else "",
            path=", ".join(path),
        )
        return self._sentence

    def to_document(self) -> dict[str, Any]:
        """The decision as JSON, as in the response of POST /v1/check."""
        entry, request = self._entry or _NOTHING, self._request
        return {
            "decision_id": self.decision_id,
            "allowed": self.allowed,
            "reason_code": self.reason_code,
            "sentence": self.sentence,
            "customer_id": request.customer_id,
            "resource_key": request.resource_key,
            "quantity": request.quantity,
            "entitlement_type": entry.entitlement_type,
            "pool_id": entry.pool_id,
            "limit": entry.limit,
            "consumed": entry.consumed,
            "owed": entry.owed,
            "remaining": entry.remaining,
            "resets_at": entry.resets_at,
            "ends_at": self.ends_at,
            "data_type": self.data_type,
            "matched_policies": self.matched_policies,
            "policy_version": self.policy_version,
            "contributions": list(self.contributions),
            "as_of": self.as_of.to_document(),
            "decided_at": self.decided_at_text,
            "source": self.source,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any], source: str = "") -> Self:
        """Read a decision from its document. source: replaces that of the document. Raises KeyError if `allowed` is missing."""
        as_of = AsOf.from_document(document.get("as_of") or {})
        customer, key = document.get("customer_id", ""), document.get("resource_key", "")
        is_known = document.get("entitlement_type") is not None
        made = cls(
            document["allowed"],
            document["reason_code"],
            CustomerView(customer, "", as_of, {}),
            Entry(key, document) if is_known else None,
            Request(customer, key, document.get("quantity")),
            tuple(document.get("matched_policies") or ()),
            document.get("policy_version", 0),
            "",
            seconds_of(document.get("decided_at")) or 0.0,
            source or document.get("source", "SERVICE"),
        )
        made._decision_id, made._sentence = document.get("decision_id", ""), document.get("sentence", "")
        made._data_type = document.get("data_type")
        made._ends_at = document["ends_at"] if "ends_at" in document else first_end(made.contributions)
        return made

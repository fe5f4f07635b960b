"""What is known of customers, and since when. Read without a lock; whoever writes replaces whole values under one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Final

from entitlements_client.asking.changes import Change
from entitlements_client.deciding import CustomerView, Entry, PolicySet
from entitlements_client.deciding.decision import REVOKED_JUST_NOW

FOREVER: Final = float("inf")
#: Customers of whom it is remembered what was heard last.
HEARD_OF_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """A view. read_at: on our monotonic clock an instant before it was read, less what the read models lagged behind.

    fresh_until: a change was heard of that the view does not include yet; from then on it must not be relied on.
    """

    view: CustomerView
    etag: str
    read_at: float
    fresh_until: float = FOREVER


@dataclass(frozen=True, slots=True)
class KnownPolicies:
    """The organization's policies, compiled. As of Known."""

    policies: PolicySet
    etag: str
    read_at: float
    fresh_until: float = FOREVER


class Memory:
    """Views by customer, at most so many: the one read longest ago is forgotten first."""

    def __init__(self, customers_max: int) -> None:
        self.views: dict[str, Known] = {}
        self.policies: KnownPolicies | None = None
        self._customers_max = customers_max
        #: What a view must include at least to be kept: changes that were heard of, also of customers that are not known, since
        #: the service may tell a view that is older than that. Those heard of longest ago are forgotten.
        self._at_least: dict[str, dict[int, int]] = {}
        self._changed = threading.Condition()

    def keep(self, known: Known) -> bool:
        """Remember a view, unless it is older than what was heard of its customer meanwhile. Whether it was kept."""
        customer_id = known.view.customer_id
        with self._changed:
            if not includes(positions(known.view.as_of.position), self._at_least.get(customer_id, {})):
                return False
            self.views.pop(customer_id, None)
            self.views[customer_id] = known
            while len(self.views) > self._customers_max:
                del self.views[next(iter(self.views))]
            self._changed.notify_all()
        return True

    def confirm(self, customer_id: str, etag: str, read_at: float) -> None:
        """The view is still so. Nothing happens if another one is known by now."""
        with self._changed:
            known = self.views.get(customer_id)
            if known is not None and known.etag == etag:
                del self.views[customer_id]
                self.views[customer_id] = replace(known, read_at=max(known.read_at, read_at))
                self._changed.notify_all()

    def keep_policies(self, known: KnownPolicies) -> None:
        """Remember the policies, unless newer ones are known."""
        with self._changed:
            if self.policies is None or known.read_at >= self.policies.read_at:
                self.policies = known
                self._changed.notify_all()

    def forget_policies(self) -> None:
        """Nothing can be decided here by the policies there are now."""
        with self._changed:
            self.policies = None

    def apply(self, change: Change, fresh_until: float) -> bool:
        """Take a change in: what was revoked counts at once. Whether the customer's view must be read again."""
        with self._changed:
            known, heard = self.views.get(change.customer_id), positions(change.position)
            if known is not None and includes(positions(known.view.as_of.position), heard):
                return False
            wanted = self._at_least.pop(change.customer_id, {})
            self._at_least[change.customer_id] = wanted
            for partition, offset in heard.items():
                wanted[partition] = max(offset, wanted.get(partition, -1))
            while len(self._at_least) > HEARD_OF_MAX:
                del self._at_least[next(iter(self._at_least))]
            if known is None:
                return False
            view = revoked(known.view, change) if change.revokes else known.view
            # Without its ETag: what is known is no longer what the service had told.
            newer = replace(known, view=view, etag="", fresh_until=min(known.fresh_until, fresh_until))
            self.views[change.customer_id] = newer
            self._changed.notify_all()
            return True

    def wanted(self, customer_id: str) -> str:
        """The position that the next view of a customer must include; empty: any will do."""
        with self._changed:
            found = self._at_least.get(customer_id, {})
            return ",".join(f"{partition}:{offset}" for partition, offset in sorted(found.items()))

    def vouch(self, since: float, until: float) -> None:
        """What was read since an instant was still so at another: nothing else had been heard. It ages from there."""
        with self._changed:
            for customer_id, known in self.views.items():
                if since <= known.read_at < until:
                    self.views[customer_id] = replace(known, read_at=until)
            if self.policies is not None and since <= self.policies.read_at < until:
                self.policies = replace(self.policies, read_at=until)

    def customers(self) -> list[str]:
        """Whose views are known."""
        with self._changed:
            return list(self.views)

    def wait_until(self, holds: Callable[[], bool], within: float) -> bool:
        """Wait until something holds of what is known, which is looked at whenever that changes; False: it did not within seconds."""
        with self._changed:
            return self._changed.wait_for(holds, within)


def revoked(view: CustomerView, change: Change) -> CustomerView:
    """The view without what a change takes away. What was inherited through it, or rests on it (credits, a pool that usage goes on to), is
    left to the service to judge.

    A change does not say why: the plan may be over or suspended, an administrator may deny the key. The next view does.
    """
    entry = view.entitlements.get(change.resource_key)
    newer = copy(view)
    newer.entitlements = {
        key: _undecided(other) if _rests_on(other, change) else other for key, other in view.entitlements.items()
    }
    if entry is None or (change.pool_id and entry.pool_id and entry.pool_id != change.pool_id):
        return newer
    gone = entry.to_document() | {"allowed": False, "reason_code": REVOKED_JUST_NOW, "limit": 0, "remaining": 0}
    newer.entitlements = {**newer.entitlements, change.resource_key: Entry.from_document(gone)}
    return newer


def _rests_on(entry: Entry, change: Change) -> bool:
    """Whether an entry rests on what a change is about, beside its own key."""
    others = [*entry.rests_on, *((entry.pool_id, key) for key in entry.inherited_path)]
    return any(
        key == change.resource_key and (not change.pool_id or not pool_id or pool_id == change.pool_id)
        for pool_id, key in others
    )


def _undecided(entry: Entry) -> Entry:
    return Entry.from_document(entry.to_document() | dict.fromkeys(("valid_until", "ends_at"), "1970-01-01T00:00:00Z"))


def positions(text: str) -> dict[int, int]:
    """Read "0:17,1:4" as {0: 17, 1: 4}; what cannot be read is left out."""
    found = (part.partition(":") for part in text.split(","))
    return {int(partition): int(offset) for partition, _, offset in found if partition.isdigit() and offset.isdigit()}


def includes(known: Mapping[int, int], wanted: Mapping[int, int]) -> bool:
    """Whether what is known is at least as far in every partition that is wanted."""
    return all(known.get(partition, -1) >= offset for partition, offset in wanted.items())

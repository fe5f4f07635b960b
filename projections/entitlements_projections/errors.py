"""What can go wrong between the ledger and its read models.

ProjectionError
├── MigrationError
│   ├── MigrationWasChanged
│   ├── MigrationIsMissing
│   └── MigrationIsOutOfOrder
├── PositionMoved           another projector was faster; read the positions again
├── FrameCannotBeProjected  the database refuses what the ledger says; the projector stops
├── LedgerIsShort           a rebuild finds less than the live tables have seen
├── NotReachedYet           a reader waited for a position in vain
├── LockIsHeld              another session holds a lock for too long
└── RightsAreMissing        the role of the service lacks rights in Postgres
"""

from __future__ import annotations

from entitlements.errors import EntitlementsError


class ProjectionError(EntitlementsError):
    """The read models cannot be updated."""

    code = "projection_error"


class MigrationError(ProjectionError):
    """The database cannot be migrated."""

    code = "migration_error"


class MigrationWasChanged(MigrationError):
    """An applied migration was edited; undo the edit and add a new migration."""

    code = "migration_was_changed"


class MigrationIsMissing(MigrationError):
    """The database has migrations of a newer version of the service; run that version."""

    code = "migration_is_missing"


class MigrationIsOutOfOrder(MigrationError):
    """A new migration has a lower number than an applied one; give it a higher number."""

    code = "migration_is_out_of_order"


class PositionMoved(ProjectionError):
    """Another projector wrote this position first; this batch was rolled back."""

    code = "position_moved"


class FrameCannotBeProjected(ProjectionError):
    """The database rejected a ledger frame."""

    code = "frame_cannot_be_projected"


class LedgerIsShort(ProjectionError):
    """The ledger has fewer frames than the live tables, or is unreachable."""

    code = "ledger_is_short"


class NotReachedYet(ProjectionError):
    """The read models did not reach the position in time."""

    code = "not_reached_yet"


class LockIsHeld(ProjectionError):
    """Another session of Postgres holds a lock."""

    code = "lock_is_held"
    advice = "Limit readers with idle_in_transaction_session_timeout."


class RightsAreMissing(ProjectionError):
    """The role of the service lacks rights in Postgres."""

    code = "rights_are_missing"
    advice = "Run the statements as an administrator of Postgres."

"""What can go wrong between the ledger and its read models.

ProjectionError
├── MigrationError
│   ├── MigrationWasChanged
│   ├── MigrationIsMissing
│   └── MigrationIsOutOfOrder
├── PositionMoved           another projector was faster; read the positions again
├── FrameCannotBeProjected  the database refuses what the ledger says; the projector stops
├── LedgerIsShort           a rebuild finds less than the live tables have seen
└── NotReachedYet           a reader waited for a position in vain
"""

from __future__ import annotations

from entitlements.errors import EntitlementsError


class ProjectionError(EntitlementsError):
    """The read models cannot be kept."""

    code = "projection_error"


class MigrationError(ProjectionError):
    """The database cannot be migrated."""

    code = "migration_error"


class MigrationWasChanged(MigrationError):
    """A migration that is applied already has another text now; undo the edit and add a new migration instead."""

    code = "migration_was_changed"


class MigrationIsMissing(MigrationError):
    """The database has a migration that this version of the service does not know; run a newer version."""

    code = "migration_is_missing"


class MigrationIsOutOfOrder(MigrationError):
    """A new migration sorts before one that is applied already; give it a higher number."""

    code = "migration_is_out_of_order"


class PositionMoved(ProjectionError):
    """Another projector has moved the position; nothing of this batch was written."""

    code = "position_moved"


class FrameCannotBeProjected(ProjectionError):
    """The database refuses what the ledger says."""

    code = "frame_cannot_be_projected"


class LedgerIsShort(ProjectionError):
    """The ledger gives fewer frames than the live tables have seen, or it does not answer."""

    code = "ledger_is_short"


class NotReachedYet(ProjectionError):
    """The read models have not reached the position in time."""

    code = "not_reached_yet"

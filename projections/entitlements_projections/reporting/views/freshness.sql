-- How current the tables are.
create or replace view entitlements_reporting.freshness as
select
    p.partition,
    p.decided_at as as_of,
    p.ledger_offset
from entitlements.projection_positions p;

comment on view entitlements_reporting.freshness is 'How current all of this is: a row for each partition of the ledger. A partition without traffic stays at its last event and is up to date.';
comment on column entitlements_reporting.freshness.partition is 'Partition of the ledger.';
comment on column entitlements_reporting.freshness.as_of is 'When the newest event that is in the tables was decided.';
comment on column entitlements_reporting.freshness.ledger_offset is 'Offset of its frame in the ledger.';

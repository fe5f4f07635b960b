-- Each line of usage, with who pays for it.
create or replace view entitlements_reporting.usage_lines as
select
    u.organization_id,
    u.occurred_at,
    u.recorded_at,
    u.workspace_id as customer_id,
    u.subject_id,
    u.resource_key,
    k.name,
    k.unit,
    coalesce(k.scale, 0) as scale,
    u.quantity,
    entitlements_reporting.decimal_of(u.quantity, k.scale) as quantity_decimal,
    u.overage,
    entitlements_reporting.decimal_of(u.overage, k.scale) as overage_decimal,
    u.mode,
    u.late,
    u.bearer as charged_to,
    u.charge,
    u.provision_id,
    u.billing_account_id,
    u.pool_id,
    u.usage_id,
    u.reservation_id,
    u.version as pool_version,
    u.line,
    u.part
from entitlements.usage_events u
join entitlements.resource_keys k using (resource_key);

comment on view entitlements_reporting.usage_lines is
    'Lines of usage, append-only: a row for each payer of a line. Filter by occurred_at: the table has a partition for each month.';
comment on column entitlements_reporting.usage_lines.organization_id is 'The organization that owns the pool. Customer ids are unique within an organization only.';
comment on column entitlements_reporting.usage_lines.occurred_at is 'When it happened.';
comment on column entitlements_reporting.usage_lines.recorded_at is 'When it was decided, by the clock of the pool.';
comment on column entitlements_reporting.usage_lines.customer_id is 'Who used it; null: no customer was named.';
comment on column entitlements_reporting.usage_lines.subject_id is 'The user within the customer, or the named holder; null: none was named.';
comment on column entitlements_reporting.usage_lines.resource_key is 'What was used.';
comment on column entitlements_reporting.usage_lines.name is 'Name of the key for people; null: not defined yet.';
comment on column entitlements_reporting.usage_lines.unit is 'Unit of the quantities of the key.';
comment on column entitlements_reporting.usage_lines.scale is 'How many decimals people see. Columns without _decimal are integers in the smallest unit.';
comment on column entitlements_reporting.usage_lines.quantity is 'How much; negative: given back or corrected.';
comment on column entitlements_reporting.usage_lines.quantity_decimal is 'The same with decimals.';
comment on column entitlements_reporting.usage_lines.overage is 'The part of the quantity above the limit, when it was recorded. Of a quota it is overage; of a limit, such as seats, nothing is owed.';
comment on column entitlements_reporting.usage_lines.overage_decimal is 'The same with decimals.';
comment on column entitlements_reporting.usage_lines.mode is 'strict: could have been refused; report: had already happened; release: given back; correction: taken back or added later.';
comment on column entitlements_reporting.usage_lines.late is 'True: it belongs to a period that was closed already.';
comment on column entitlements_reporting.usage_lines.charged_to is 'included: a provision, with its overage beside; credit: a balance of credits; on_demand: the payer; overage: nobody.';
comment on column entitlements_reporting.usage_lines.charge is 'Credit units, or minor units of the currency for on_demand.';
comment on column entitlements_reporting.usage_lines.provision_id is 'The provision that it is charged to; null: none.';
comment on column entitlements_reporting.usage_lines.billing_account_id is 'Who pays; null: nobody, as for what a grant includes.';
comment on column entitlements_reporting.usage_lines.pool_id is 'The pool that was used.';
comment on column entitlements_reporting.usage_lines.usage_id is 'The id of the line that its sender chose, or of the line that is corrected; null: none.';
comment on column entitlements_reporting.usage_lines.reservation_id is 'The reservation that it was committed from; null: none.';
comment on column entitlements_reporting.usage_lines.pool_version is 'Version of the pool at the event that recorded it; with pool_id, line and part it names the row.';
comment on column entitlements_reporting.usage_lines.line is 'Place of the line in that event, from 0.';
comment on column entitlements_reporting.usage_lines.part is 'Place among the payers of the line, from 0.';

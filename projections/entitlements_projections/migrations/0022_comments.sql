-- The views of the schema entitlements_reporting are for analysts; these tables and views are their source.

comment on view workspace_entitlements is
    'What each customer has, or had (held = false), of each key from each of its pools now, and what remains. For a pool in backfill, '
    'now is its clock. Analysts use the view customer_entitlements of the schema entitlements_reporting: it has units, decimals and a status.';
comment on column workspace_entitlements.resets_at is
    'End of the current period; null: nothing was counted in it yet, or there is no reset. The API and the command line compute it from the calendar.';
comment on column workspace_entitlements.credit_per is 'Quantity that costs credit_rate credit units.';
comment on column workspace_entitlements.price_per is 'Quantity that costs unit_price.';
comment on column unit_assignments.actor is 'Who last assigned or removed it.';
comment on column organization_members.actor is 'Who set the role.';
comment on column limit_holders.actor is 'Who allocated it.';
comment on column pool_reservations.quantity is 'Quantity initially reserved, in the smallest unit.';

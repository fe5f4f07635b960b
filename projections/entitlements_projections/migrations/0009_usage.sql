-- Consumption: totals apart from the entitlements, so that counting never waits for a change of limits; and every single line.

create table numeric_entitlement_usage (
    pool_id text not null,
    resource_key text not null references resource_keys,
    period_start timestamptz,
    period_end timestamptz,
    consumed bigint not null,
    elsewhere bigint,
    owed bigint,
    warned_at timestamptz,
    exceeded_at timestamptz,
    counted_at timestamptz not null,
    version bigint not null,
    unique nulls not distinct (pool_id, resource_key, period_start, period_end)
) with (fillfactor = 60);

comment on table numeric_entitlement_usage is
    'Quantity each pool consumed of each quota per period, and holds of each limit. A period without a row: nothing consumed. '
    'Nothing is written when a period ends: readers compare period_end with the time.';
comment on column numeric_entitlement_usage.pool_id is 'The pool. No foreign key: this is the busiest row, and it is only written after the pool''s.';
comment on column numeric_entitlement_usage.resource_key is 'The resource key.';
comment on column numeric_entitlement_usage.period_start is 'Start of the period; null for limits.';
comment on column numeric_entitlement_usage.period_end is 'Its end, exclusive; null for limits.';
comment on column numeric_entitlement_usage.consumed is 'Consumed in the period, or held now, in the smallest unit.';
comment on column numeric_entitlement_usage.owed is 'Overage of this and earlier periods that is neither paid nor forgiven; null: none.';
comment on column numeric_entitlement_usage.elsewhere is 'The part charged to credits or an on-demand payer; null: none.';
comment on column numeric_entitlement_usage.warned_at is 'When the soft limit was last reached; null: never.';
comment on column numeric_entitlement_usage.exceeded_at is 'When usage was first refused or above the limit since then; null: never.';
comment on column numeric_entitlement_usage.counted_at is 'Time of the last event counted here.';
comment on column numeric_entitlement_usage.version is 'Version of the pool at that event.';

create table usage_events (
    pool_id text not null,
    version bigint not null,
    line integer not null,
    occurred_at timestamptz not null,
    part integer not null,
    recorded_at timestamptz not null,
    resource_key text not null references resource_keys,
    quantity bigint not null,
    overage bigint not null,
    mode text not null check (mode in ('strict', 'report', 'release', 'correction')),
    late boolean not null,
    workspace_id text,
    subject_id text,
    usage_id text,
    provision_id text,
    bearer text not null check (bearer in ('included', 'credit', 'on_demand', 'overage')),
    charge bigint not null,
    reservation_id text,
    billing_account_id text,
    primary key (pool_id, version, line, occurred_at, part)
) partition by range (occurred_at);

comment on table usage_events is
    'Every line of recorded usage, with billing attribution. Append-only: rows are never updated or deleted. One partition per '
    'month of occurred_at, created when it is needed.';
comment on column usage_events.pool_id is 'The pool.';
comment on column usage_events.version is 'Version of the pool at the event that recorded the line.';
comment on column usage_events.line is 'Index of the line in that event, from 0.';
comment on column usage_events.occurred_at is 'When it happened.';
comment on column usage_events.part is 'Index of the part among those the line was charged in, from 0.';
comment on column usage_events.recorded_at is 'When it was recorded, by the pool''s clock.';
comment on column usage_events.resource_key is 'The resource key.';
comment on column usage_events.quantity is 'Quantity in the smallest unit; negative if an allocation was released or usage corrected down.';
comment on column usage_events.overage is 'The part of the quantity above the effective limit.';
comment on column usage_events.mode is 'strict: could have been refused; report: had already happened; release: an allocation was released; correction: reversed or adjusted later.';
comment on column usage_events.late is 'True: its period was already closed, so it changed no total.';
comment on column usage_events.workspace_id is 'The customer (`customer_id` in the API); null: none.';
comment on column usage_events.subject_id is 'The subject (user or service) within the customer, or the named holder; null: none.';
comment on column usage_events.usage_id is 'Idempotency key of the line, or of the line that is corrected; null: none.';
comment on column usage_events.bearer is 'What it was charged to. included: a provision, together with its overage; credit: a credit balance; on_demand: the payer; overage: nobody.';
comment on column usage_events.charge is 'Credit units; for on_demand, minor units of the payer''s currency.';
comment on column usage_events.reservation_id is 'Reservation it was committed from; null: none.';
comment on column usage_events.provision_id is 'The provision it was charged to; null: none.';
comment on column usage_events.billing_account_id is
    'The billing account that pays: the provision''s, otherwise the pool''s; null: nobody, such as for a grant.';

-- Bounded: an instant that makes no sense makes no partition.
create table usage_events_before_2000 partition of usage_events for values from (minvalue) to ('2000-01-01 00:00:00+00');
create table usage_events_from_2100 partition of usage_events for values from ('2100-01-01 00:00:00+00') to (maxvalue);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'usage_events is append-only: % is refused', tg_op
        using errcode = 'restrict_violation', hint = 'A correction is a further line.';
end
$$;
comment on function refuse_change is 'Trigger function that refuses the statement.';

create function make_append_only(target text) returns void language plpgsql as $$
begin
    -- For statements, so that one that meets no row is refused too; always, so that a replica role does not slip through.
    execute format(
        'create trigger append_only before update or delete or truncate on %I for each statement execute function refuse_change()',
        target);
    execute format('alter table %I enable always trigger append_only', target);
    execute format('revoke update, delete, truncate on %I from public, current_user', target);
end
$$;
comment on function make_append_only is 'Makes a table append-only: rows can be neither changed nor deleted.';

create function add_usage_month(month date) returns void language plpgsql as $$
declare
    name text := 'usage_events_' || to_char(month, 'YYYY_MM');
begin
    perform pg_advisory_xact_lock(hashtextextended('entitlements.usage_months:' || current_schema(), 0));
    if to_regclass(quote_ident(current_schema()) || '.' || name) is not null then
        return;
    end if;
    execute format('create table %I partition of usage_events for values from (%L) to (%L)',
                   name, to_char(month, 'YYYY-MM-DD "00:00:00+00"'), to_char(month + interval '1 month', 'YYYY-MM-DD "00:00:00+00"'));
    perform make_append_only(name);
end
$$;
comment on function add_usage_month is 'Creates the partition of the month that starts on a day, if it does not exist.';

select make_append_only(name) from unnest(array['usage_events', 'usage_events_before_2000', 'usage_events_from_2100']) name;

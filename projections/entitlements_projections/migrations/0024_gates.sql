-- Locks that readers cannot take: each needs more than the right to select. Advisory locks are open to everybody who can connect.

create table rebuild_gate ();

comment on table rebuild_gate is 'Empty. A rebuild of these tables locks it, so that a second one waits.';

create or replace function add_usage_month(month date) returns void language plpgsql as $$
declare
    name text := 'usage_events_' || to_char(month, 'YYYY_MM');
begin
    if to_regclass(quote_ident(current_schema()) || '.' || name) is not null then
        return;
    end if;
    -- The lock of attach: one at a time holds it, and neither readers nor writers of usage wait for it. Creating a table as a
    -- partition would take the strongest lock, and wait for every open transaction that has read usage.
    lock table only usage_events in share update exclusive mode;
    if to_regclass(quote_ident(current_schema()) || '.' || name) is not null then
        return;
    end if;
    execute format('create table %I (like usage_events including all)', name);
    perform make_append_only(name);
    execute format('alter table usage_events attach partition %I for values from (%L) to (%L)',
                   name, to_char(month, 'YYYY-MM-DD "00:00:00+00"'), to_char(month + interval '1 month', 'YYYY-MM-DD "00:00:00+00"'));
end
$$;

-- What the views have in common. The files of this folder are applied in the order of reporting.VIEWS, each in one transaction.

-- Rounded first, so that the quotient has as many decimals and is exact, however large a sum of quantities is.
create or replace function entitlements_reporting.decimal_of(quantity numeric, scale integer) returns numeric
language sql immutable parallel safe
return round(round(quantity, coalesce(scale, 0)) / 10::numeric ^ coalesce(scale, 0), coalesce(scale, 0));

comment on function entitlements_reporting.decimal_of(numeric, integer) is
    'A quantity in smallest units as people see it: 1250 at scale 2 is 12.50. Exact.';

create or replace function entitlements_reporting.status_of(
    held boolean, suspended boolean, available boolean, entitlement_type text, owed bigint, remaining bigint, consumed bigint, soft_limit bigint
) returns text
language sql immutable parallel safe
return case
    when not held then case when suspended then 'SUSPENDED' else 'ENDED' end
    when not available then 'UNAVAILABLE'
    when entitlement_type = 'boolean' then 'ACTIVE'
    when owed > 0 then 'OVERAGE'
    when remaining = 0 then 'LIMIT REACHED'
    when consumed >= soft_limit then 'WARNING'
    else 'OK'
end;

comment on function entitlements_reporting.status_of is
    'OVERAGE, LIMIT REACHED, WARNING, OK, ACTIVE, UNAVAILABLE, SUSPENDED or ENDED: the words of the dashboards of the command line.';

-- Dashboards show what is paused (a payment is late) and what a key's own dates make unavailable.
create function is_paused(in_pool text, of_key text) returns boolean language sql stable begin atomic
select exists (
    select from pool_provisions v join resource_pools p using (pool_id)
    where v.pool_id = in_pool and of_key = any(v.resource_keys)
        and (v.status = 'suspended' or (v.status = 'active' and p.status = 'suspended'))
);
end;

comment on function is_paused is 'Whether a suspended provision of a pool, or an active one of a suspended pool, would include a key.';

create function is_available(constraints jsonb, at timestamptz) returns boolean language sql immutable
return coalesce(
    at >= coalesce((constraints ->> 'start_date')::timestamptz, '-infinity')
    and at < coalesce((constraints ->> 'end_date')::timestamptz + interval '1 second', 'infinity'),
    true
);

comment on function is_available is 'Whether an instant is within the start_date and end_date of a resource key; the whole second of end_date is.';

-- expire --
-- Some of what one day has of keys that are not kept so long.
delete from access_log
where
    occurred_at >= %(since)s and occurred_at < %(until)s
    and (organization_id, occurred_at, decision_id) in (
        select organization_id, occurred_at, decision_id
        from access_log
        where occurred_at >= %(since)s and occurred_at < %(until)s and resource_key = any(%(resource_keys)s)
        limit %(at_most)s
    );

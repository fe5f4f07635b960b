-- progress_of_revisions --
-- Of every set that somebody follows: how many provisions follow it, how many have the newest version, how many pin theirs.
select
    s.set_id, s.set_version,
    count(*) filter (where p.follows) as following,
    count(*) filter (where p.follows and p.set_version >= s.set_version) as done,
    count(*) filter (where not p.follows) as pinned
from (select set_id, max(set_version) as set_version from entitlement_sets group by set_id) s
join pool_provisions p on p.set_id = s.set_id and p.status <> 'ended'
join resource_pools r on r.pool_id = p.pool_id and r.status <> 'closed'
where %(set_id)s::text is null or s.set_id = %(set_id)s
group by s.set_id, s.set_version
order by s.set_id;

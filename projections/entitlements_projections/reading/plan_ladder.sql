-- plan_ladder --
-- A ladder that was defined or named, with the newest versions of the sets that are on it.
select
    l.ladder, l.name, l.rungs, l.defined_at, l.actor, l.version > 0 as is_defined,
    coalesce((
        select json_agg(json_build_object('set_id', s.set_id, 'set_version', s.set_version, 'name', s.name, 'rung', s.rung)
            order by s.rung, s.set_id)
        from (
            select distinct on (n.set_id) n.set_id, n.set_version, n.name, n.ladder, n.rung
            from entitlement_sets n
            where n.set_id in (select o.set_id from entitlement_sets o where o.ladder = l.ladder)
            order by n.set_id, n.set_version desc
        ) s
        where s.ladder = l.ladder
    ), '[]') as sets
from plan_ladders l
where %(ladder)s::text is null or l.ladder = %(ladder)s
order by l.ladder;

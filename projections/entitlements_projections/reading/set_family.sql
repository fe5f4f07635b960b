-- set_family --
-- Versions of sets (null: the newest) and all they descend from, with what each says itself. A set that extends none says its rules.
with recursive asked as (
    select * from unnest(%(set_ids)s::text[], %(versions)s::integer[]) as a (set_id, version)
), family as (
    select s.set_id, s.set_version
    from asked a
    cross join lateral (
        select set_id, set_version from entitlement_sets
        where set_id = a.set_id and (a.version is null or set_version = a.version)
        order by set_version desc
        limit 1
    ) s
    union
    select p.parent_id, p.parent_version
    from entitlement_set_parents p
    join family f on f.set_id = p.set_id and f.set_version = p.set_version
)
select
    s.set_id, s.set_version, s.inheritance, s.own_rules,
    coalesce((
        select jsonb_agg(jsonb_build_object('set_id', p.parent_id, 'version', p.parent_version) order by p.position)
        from entitlement_set_parents p where p.set_id = s.set_id and p.set_version = s.set_version
    ), '[]') as extends,
    (
        select jsonb_agg(to_jsonb(r) - array['set_id', 'set_version', 'position'] order by r.position)
        from entitlement_set_rules r where r.set_id = s.set_id and r.set_version = s.set_version
    ) as rules
from family f
join entitlement_sets s on s.set_id = f.set_id and s.set_version = f.set_version;

-- stage_entitlement_set_rules --
-- Takes the rules of one batch by COPY.
create temporary table if not exists staged_entitlement_set_rules (
    set_id text,
    set_version integer,
    position integer,
    resource_key text,
    rule_type text,
    amount bigint,
    soft_limit bigint,
    hard_limit bigint,
    period text,
    stacking text,
    per_unit boolean,
    denied boolean,
    anchored boolean,
    recurs text,
    rollover_min bigint,
    rollover_max bigint,
    overage_at_reset text,
    grace_for integer,
    credit_key text,
    credit_rate bigint,
    credit_per bigint,
    min_role text
);

-- Who asked for what and what the answer was. A day is a partition, so that what is no longer kept is dropped and not deleted.
create table access_log (
    organization_id text not null,
    occurred_at timestamptz not null,
    decision_id text not null,
    customer_id text not null,
    resource_key text not null,
    entitlement_type text not null,
    quantity bigint,
    subject_id text not null,
    action text not null,
    result text not null check (result in ('allowed', 'denied')),
    reason text not null,
    request_id text not null,
    ip_address text not null,
    user_agent text not null,
    resource_type text not null,
    resource_id text not null,
    policy_version bigint not null,
    as_of text not null,
    lag_ms bigint,
    source text not null,
    count bigint not null check (count > 0),
    asked_by text not null,
    asked_by_organization text not null,
    primary key (organization_id, occurred_at, decision_id)
) partition by range (occurred_at);

comment on table access_log is 'Decisions about access. One organization never reports into another: it is part of the key.';
comment on column access_log.decision_id is 'The same for every repeat of a report, which is kept once.';
comment on column access_log.quantity is 'What was asked for, in the smallest unit; null: whether there is access at all.';
comment on column access_log.lag_ms is 'How far the answer was behind the ledger, milliseconds; null: not known.';
comment on column access_log.count is 'How many decisions the row stands for.';
comment on column access_log.asked_by is 'The API key or token by which it was asked or reported.';
comment on column access_log.asked_by_organization is 'The organization whose key or token that is: another than organization_id where it acted for that.';

create index access_log_by_customer on access_log (organization_id, customer_id, occurred_at, decision_id);

-- Where the topic was read to, by partition; moved in the transaction that writes the rows.
create table access_log_positions (
    partition integer primary key,
    next_offset bigint not null
);

comment on table access_log_positions is 'The first offset of the topic that is not in access_log yet.';

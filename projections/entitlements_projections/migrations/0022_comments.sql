-- Comments that named what is no table or column, and those that are read most, in plain words. The views of the schema
-- entitlements_reporting are for analysts; these tables are their source.

comment on view workspace_entitlements is
    'What each workspace (customer) of each organization has, or had once (held is false), of each key from each of its pools now, and what is left. '
    'Analysts take the view customer_entitlements of the schema entitlements_reporting: it has units, decimals and a status.';
comment on column workspace_entitlements.held is 'False: the pool no longer has it, or an override takes it from this workspace.';
comment on column workspace_entitlements.elsewhere is 'The part of what is consumed that is charged to credits or to an on-demand payer.';
comment on column workspace_entitlements.uncounted is 'The part of what is consumed that takes nothing from the limit, beside elsewhere.';
comment on column workspace_entitlements.credit_key is 'The credits that pay for what is not included; null: none.';
comment on column workspace_entitlements.credit_per is 'The quantity that costs credit_rate.';
comment on column workspace_entitlements.credit_quantity is 'The quantity of this period that was charged to credits at the present rate.';
comment on column workspace_entitlements.on_demand is 'Whether usage that is neither included nor charged to credits is charged to a payer, up to spending_cap.';
comment on column workspace_entitlements.payer is 'Who pays for on-demand usage; empty: the billing account of the pool; null: on-demand is not configured.';
comment on column workspace_entitlements.currency is 'ISO 4217 code of the currency of unit_price, spending_cap and spent; empty: none is set.';
comment on column workspace_entitlements.price_per is 'The quantity that costs unit_price.';
comment on column workspace_entitlements.resets_at is 'End of the present period; null: nothing was counted in it yet, or there is no reset. The API and the command line work it out by the calendar.';

comment on table resource_keys is
    'Resource keys: names for what one can be entitled to. A key that is used before its definition was read has a row without description.';
comment on column resource_keys.entitlement_type is 'Type of the rules that include it; null: it has no definition document.';
comment on column resource_keys.default_value is 'What pools have of it when nothing contributes; of a feature 1: they have it. Null: nothing.';
comment on column resource_keys.override_policy is 'Whether having it grants its parents where they are denied; null: it has no definition document.';
comment on column resource_keys.usage_tracking is 'Whether usage is counted (enabled), with reset_period, soft_limit and hard_limit; null: not stated.';
comment on table resource_key_parents is 'Features that a feature grants along with itself.';
comment on column resource_key_parents.version is 'Version of the key''s aggregate that defined this.';

comment on column entitlement_sets.own_rules is
    'Of a set that extends others: its own rules, each with the names of the fields that it states. Empty: it extends none, and its rules are its own.';
comment on column entitlement_set_rules.credit_key is 'The credits that pay for what is not included; null: none.';
comment on column entitlement_set_rules.credit_per is 'The quantity that costs credit_rate.';

comment on column resource_pools.status is 'open; suspended: nothing is included until it is resumed; closed: for good.';
comment on column pool_provisions.set_id is 'The entitlement set that it includes.';
comment on column pool_provisions.billing_period is 'How often it is billed; null: not stated.';
comment on column pool_provisions.resource_keys is 'The keys that its rules include.';
comment on function is_suspended is 'Whether a suspended provision of a pool would include a key.';
comment on table unit_workspace_pools is
    'Which pools a workspace is to use because of the units it is in. The reconciler brings pool_assignments in line with it.';
comment on column unit_assignments.actor is 'Who assigned it or took it away last.';
comment on column organization_members.actor is 'Who set the role.';
comment on table campaigns is 'Sets that are granted to many pools for a window.';
comment on column campaigns.set_id is 'The entitlement set that it grants.';
comment on column campaigns.rules is 'What it grants: the rules as JSON, as its grants carry them.';
comment on column campaigns.quantity is 'How many times it is granted.';
comment on column campaigns.is_active is 'Whether it is active now.';
comment on table campaign_pools is 'To which pools a campaign grants its set.';

comment on column numeric_entitlements.credit_key is 'The credits that pay for what is not included; null: none.';
comment on column numeric_entitlements.credit_per is 'The quantity that costs credit_rate.';
comment on column numeric_entitlements.credit_quantity is 'The quantity of the present period that was charged to credits at the present rate.';
comment on column numeric_entitlements.uncounted is 'The part of what is consumed in the present period that takes nothing from the limit, beside what credits and payers pay for.';
comment on column numeric_entitlement_usage.elsewhere is 'The part of it that is charged to credits or to an on-demand payer; null: none.';
comment on column numeric_entitlement_contributions.consumed is 'What was consumed of it at the last change of the contributions.';
comment on column numeric_entitlement_contributions.version is 'Version of the pool at that change.';
comment on column pool_ondemand_config.currency is 'ISO 4217 code of the currency; empty: none is set.';
comment on column pool_ondemand_config.alert_at is 'Percentages of the cap at which an alert is sent.';
comment on column pool_ondemand_config.alerted is 'The highest of them that was sent in the period of that time; 0: none.';
comment on table pool_overrides is 'Values that administrators set by hand for a pool, or for one of its workspaces. They outrank stacking.';
comment on column pool_reservations.quantity is 'The quantity that was reserved at first, in the smallest unit.';
comment on column pool_reservations.workspace_id is 'Who holds it; empty: no workspace was named.';
comment on column pool_reservations.subject_id is 'The subject; empty: none was named.';
comment on column pool_reservations.paid is 'What of it is charged to credits or to a payer: it does not count against the limit.';
comment on column member_caps.override_id is 'The override of the workspace that sets it; empty: a cap does.';
comment on column member_caps.actor is 'Who set it.';
comment on column limit_holders.actor is 'Who allocated it.';
comment on column usage_events.provision_id is 'The provision that it is charged to; null: none.';
comment on column usage_events.part is 'Place among the payers of the line, from 0.';
comment on column usage_events.bearer is 'Who pays: included: a provision, with its overage beside; credit: a credit balance; on_demand: the payer; overage: nobody.';
comment on column api_keys.expires_at is 'When it ends by itself; null: never.';
comment on column api_keys.revoked_at is 'From when on it is revoked, which may be in the future; null: it is not.';
comment on table plan_ladders is 'Plan ladders: those that were defined, and those that a set or a provision names.';
comment on table access_policies is 'Access policies: when a key may be used or not, whatever was bought.';

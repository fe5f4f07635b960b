"""The HTTP API: parse, send, render. Decisions are made elsewhere: by the domain, and by access/ for questions.

app           the application: its routes, its middleware, what each worker opens
serving       the process `api`: granian and its workers
opening, services  what a worker needs, opened once by the settings
auth          API keys, OIDC tokens, scopes, rates
identity      the caller: its organization and what it may do
pool_counts   how many pools an organization may open
units         the customers that a key of a unit may name
routes        routes that read requests strictly
asking        headers that every request may have: consistency, preference, idempotency
validation, problems  what is wrong with a request, as a problem document
reaching      requests that wait until the read models know a position; catching_up: for what they do not know
catching_up, repeats   all that was decided until now; names that a body has twice

questions, question_bodies   check, checks, remaining, entitlements
reading_checks  reads checks, many in slices
short_way   POST /v1/check and /v1/usage without the routing of all others
short_check, short_usage   of these, what can be told at once, and usage that is plainly right
answering, decision_json   decides questions; the answers as JSON
customer_pools  the pools that usage asks in turn, in memory
views         what customers have, loaded for questions; many in slices
turns, aside  what blocks or takes long, beside the loop: in threads, organizations in turns; in a process of its own
windows       how much usage of one organization is under way at once
disconnects   long work ends with the client that waits for it
policies_in_force  the policies of each organization, compiled once for each worker
connections, fanout   bounds of connections and streams; what happened, handed to streams a few at a time
gathering     loads together what several requests miss at once
http_caching  validators and lifetimes for caches
catalogue     pools, sets, keys, ladders
governance    API keys and access policies
metering      usage
choosing      which pool takes usage; many decided side by side
reserving     reservations and leases
cloudevents, event_bodies, event_schemas   usage as CloudEvents
splitting     where the elements of an array end, whatever they are
commands      every command of the domain
sending       sends a command and renders its outcome
commanding, together   to the engine and back; what comes meanwhile goes together
following     follows changes and events, once per worker
streaming     GET /v1/changes
access_log    the access log
documents, answer_bodies, pool_bodies, catalogue_bodies, policy_bodies, log_bodies, reservation_bodies   bodies of answers
lists, definition_lists, listing   lists, page by page
list_bodies, definition_list_bodies   their rows
media_types   which content types a route takes
openapi       the OpenAPI document, and the page at /docs

Start reading at app.py.
"""

"""What comes in from files: read, numbered, and sent in an order that a crash cannot change.

definitions  files that define resource keys and entitlement sets
key_document  the definition document of a resource key
sets         sets and ladders by name: a command carries what they contain
looking      what a definition refers to, looked up before it is sent: cycles, parents, pools, key ids
policies     access policies, checked by the code that evaluates them
api_keys     new API keys: what is shown once, and what is kept
strict       the one strict reading of values from outside
synonyms     what misspelled names, and those of other systems, stand for
instants     RFC 3339
rows         a CSV file of requests, checked line by line before anything is sent
lines        a row as the usage it stands for: a numbered batch of the pool concerned
lanes        many commands under way, but of each pool one after the other; an answer that does not come is asked for again

The numbers make a repeated import harmless for ever: a pool counts each number of a source once (docs/architecture.md 3.8). That is only
safe while no later number of a pool is decided before an earlier one, and the lanes see to it.
"""

"""Commands in, frames out; the only writer of the event log.

topics       what exists on the broker and how it is kept
clients      Kafka clients with our settings
partitioning  which partition an aggregate lives on
records      events and commands to Avro records and back
frames       a frame's bytes
chain        which frames count: the one reader's rules
tail         valid frames from Kafka, for everybody who reads the ledger
partition    state and decisions of one partition
batch        commands of the log, and what was decided about several of them
usual_commands  commands of usage that say nothing but lines, by their bytes
usage_deciding  the short way of usage from a command into the state and a frame
confirming   which frames under way count
owned        a partition that an engine owns: commands that wait, the frame under way
usage_folding  the short way of usage from a frame into the state
recovery     state from snapshots and the ledger's tail
engine       the process: polls, decides, writes, hears that it counts, answers
states, chunks       the state of an aggregate as bytes, for snapshots; what it remembers, in parts
ends         where topics end
observing    metrics and traces of the engine
causes       which events followed from which traced commands
ticker       asks for what has become due by time alone
snapshots    state at a version, in a compacted topic
outcomes     answers on their way back
replies, hearing   their short way: a socket, on one machine; the caller's side of it
caller       sends commands and waits for answers
pacing       how often publisher and projector read
publisher    unfolds frames into entitlements.events and entitlements.usage
quarantine   what could not be handled, and why
Start reading at engine.py; the rules are in docs/architecture.md 3.
"""

"""The main job from nothing: real servers, real processes, real recorded usage, and a proof.

running       the phases in their order; what the demo found
installation  servers, topics, tables and processes of its own, gone at the end
opening       one ladder of plans, and one pool for each client
asking        questions over HTTP, compared with what was counted
counting      what became of the requests, counted in the ledger and in entitlements.changes
web-usage.csv.gz, plans/  see README.md for their origin

Start reading at running.py.
"""

"""The Avro contract: one .avsc per command, event, outcome and change, and their loader."""

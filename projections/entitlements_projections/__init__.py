"""Read models in Postgres: rows that can be thrown away and rebuilt from the ledger."""

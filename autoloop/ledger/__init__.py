"""The ledger: incidents, what happened to them, and the numbers that fence writers off."""

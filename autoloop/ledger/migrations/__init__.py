"""Schema migrations of the ledger, run by `autoloop.ledger.store.Ledger` when it is opened."""

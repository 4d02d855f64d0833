"""Cycles on a schedule: the ledger, the tick, the worker and what keeps them alive."""

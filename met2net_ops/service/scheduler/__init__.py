"""Decides what becomes of every cycle, and carries it out on the ledger."""

"""The ledger of cycles: its tables, one writer, one reader; it decides nothing."""

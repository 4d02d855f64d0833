"""Station reports: read and stored unchanged; quality flags are kept apart from the values."""

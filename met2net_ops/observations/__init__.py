"""Station reports: read, kept as they came, flagged beside, never altered."""

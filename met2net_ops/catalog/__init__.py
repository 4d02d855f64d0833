"""The database that remembers: what was ingested, and what replaced what."""

"""What pages show, read from a workspace and reduced to plain arrays and tables."""

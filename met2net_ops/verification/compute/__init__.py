"""From forecast and truth to sums."""

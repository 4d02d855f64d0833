"""From the grid a field came on to the grid of the archive."""

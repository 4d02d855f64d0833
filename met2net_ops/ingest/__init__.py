"""From delivered files to archived frames."""

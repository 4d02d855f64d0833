"""Training methods and networks side by side on the same data and budget; see docs/skill.md."""

"""Experiments that no deployment runs: run from the checkout, not installed.

`python -m research.compare` writes docs/skill.md; `research.era5_cropped` and
`research.moving_fashion` convert published data sets for `met2net-ops train`.
"""

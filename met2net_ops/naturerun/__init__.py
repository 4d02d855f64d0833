"""The synthetic atmosphere: a primitive-equation model whose weather is free to ship.

Everything made here is synthetic and says so. See docs/naturerun.md for equations and limits.
"""

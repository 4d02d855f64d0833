"""Networks that Met2Net is compared with; none of them ships as a model."""

"""A data centre to practise on: the synthetic atmosphere behind public paths and indices."""

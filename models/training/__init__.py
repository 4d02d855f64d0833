"""Training of Met2Net: data windows, the two-stage and the plain step, the loop, the card."""

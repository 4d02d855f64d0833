"""What a comparison takes in: the forecast, the truth, climatology, surface and regions."""

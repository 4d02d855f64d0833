"""The Met2Net network: separate encoders and decoders, one translator across variables."""

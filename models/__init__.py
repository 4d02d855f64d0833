"""Networks, their training, and the model folders that ship."""

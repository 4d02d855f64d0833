"""The child processes that forecast and verify, and the parent's side of them."""

"""What the service reports to people and programs: status, hooks, metrics, logs."""

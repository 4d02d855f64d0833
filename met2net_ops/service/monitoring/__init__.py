"""What people and programs are told of the service: status, hooks, metrics, logs."""

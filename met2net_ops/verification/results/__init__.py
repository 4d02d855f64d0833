"""From stored sums to scores, with n and intervals."""

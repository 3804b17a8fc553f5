"""OPC UA. Only `driver` and what it imports need asyncua; `address` does not."""

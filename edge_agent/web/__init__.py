"""The operator page: what the agent sees, in a browser beside the machine, without anything from outside."""

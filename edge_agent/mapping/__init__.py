"""What `edge-agent map` writes for the controls engineer: the register map, a contract, the PLC's program."""

"""The simulated plant: a pump with a bearing, its PLC program, and real Modbus TCP and OPC UA servers.

It runs in its own process, for factory acceptance tests and the demo. `rig` is the physics, `plc` the
PLC's program, `registers` its memory map; `station` runs one cycle of all three; `server` puts it on
the network.
"""

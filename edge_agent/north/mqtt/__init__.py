"""Results as Sparkplug B (Eclipse Sparkplug 3.0.0): one edge node for the gateway, one device a machine.

What is told is read from the history, so nothing is lost while the broker is away, and nothing is waited
for by a cycle. Nothing that comes from the broker can write into a PLC: the only command is to be born again.
"""

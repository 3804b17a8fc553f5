"""The results as an OPC UA server, for a SCADA system that pulls. Read only, in a process of its own.

Its own, because building the address space takes seconds, which no cycle is to wait for, and because
strangers can talk to it: what they do to it, they do not do to the cycles.
"""

"""Certificates of OPC UA applications: our own, those we trust, and why one is refused (OPC 10000-4, 6.1)."""

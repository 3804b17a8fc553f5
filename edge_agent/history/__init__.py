"""What is kept: the audit of writes, and how it is proven whole."""

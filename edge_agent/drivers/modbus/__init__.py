"""Modbus: requests and the checks of their replies (pdu), TCP framing (tcp), and the driver."""

"""Modbus. From the inside out: pdu, frames, transactions, turns, wires, link, driver."""

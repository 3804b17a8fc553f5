"""What a Modbus address holds: units, their names, what they serve and read over. Reads only, and slowly."""

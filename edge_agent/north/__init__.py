"""What is told to the north of the gateway: results to a SCADA system or a historian, over MQTT or OPC UA."""

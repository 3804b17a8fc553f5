"""The demo's folder: a configuration such as a real site would have, its tag files and its bundle."""

import shutil
from pathlib import Path

SHIPPED = Path(__file__).with_name("bearing.bundle")

_PLC_TAGS = """\
name,table,address,type,order,scale,unit,low,high
speed,input,0,float32,ABCD,,rpm,0,1800
load,input,2,float32,ABCD,,%,0,150
vibration,input,4,float32,ABCD,,mm/s,0,50
current,input,8,uint16,,0.01,A,0,60
flow,input,9,float32,CDAB,,m3/h,0,100
pressure,input,11,float32,,,bar,0,10
"""

_SCADA_TAGS = """\
name,node,unit,low,high
bearing_temp,nsu=urn:edge-agent:plant;s=Rig.bearing_temp,degC,-20,150
motor_temp,nsu=urn:edge-agent:plant;s=Rig.motor_temp,degC,-20,180
"""

_CONFIG = """\
# A pump whose bearing a model watches. Check it with: edge-agent check config.toml

[agent]
name = "demo"
state = "state"                      # history.db and the status socket

[device.plc]                         # six signals over Modbus TCP
driver = "modbus-tcp"
host = "127.0.0.1"
port = {modbus_port}
scan = "100ms"
tags = "plc-tags.csv"

[device.scada]                       # two temperatures over OPC UA
driver = "opc-ua"
url = "opc.tcp://127.0.0.1:{opcua_port}/"
security = "none"                    # a simulated plant on this machine; never so in a real one
scan = "100ms"
tags = "scada-tags.csv"

[machine.pump]
bundle = "bearing.bundle"
mode = "advisory"                    # writes the result block and nothing else

[machine.pump.inputs]                # the bundle's name = our tag
speed = "plc.speed"
load = "plc.load"
vibration = "plc.vibration"
bearing_temp = "scada.bearing_temp"
motor_temp = "scada.motor_temp"
current = "plc.current"
flow = "plc.flow"
pressure = "plc.pressure"

[machine.pump.result]                # 20 registers that are the agent's alone
device = "plc"
table = "holding"
address = 400
"""


def make(folder: Path, bundle: Path | None, modbus_port: int, opcua_port: int) -> Path:
    """Write configuration, tags and bundle into `folder` and return the configuration's path."""
    (folder / "plc-tags.csv").write_text(_PLC_TAGS, encoding="utf-8")
    (folder / "scada-tags.csv").write_text(_SCADA_TAGS, encoding="utf-8")
    shutil.copyfile(bundle or SHIPPED, folder / "bearing.bundle")
    config = folder / "config.toml"
    config.write_text(_CONFIG.format(modbus_port=modbus_port, opcua_port=opcua_port), encoding="utf-8")
    return config


def fresh(folder: Path) -> Path:
    """Make and return `folder`, or the first of folder-2, folder-3 ... that is not there yet."""
    number = 1
    chosen = folder
    while chosen.exists() and any(chosen.iterdir()):
        number += 1
        chosen = folder.with_name(f"{folder.name}-{number}")
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen

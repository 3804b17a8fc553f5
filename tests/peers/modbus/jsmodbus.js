// jsmodbus: holding and input register n hold n for n < 1000. A read beyond them is answered with nothing in it.
// Prints its port.
const net = require("net");
const modbus = require("jsmodbus");

const holding = Buffer.alloc(2000);
for (let n = 0; n < 1000; n++) holding.writeUInt16BE(n, 2 * n);
const netServer = new net.Server();
new modbus.server.TCP(netServer, { holding, input: holding, coils: Buffer.alloc(100, 0x49), discrete: Buffer.alloc(100, 0x49) });
netServer.listen(0, "127.0.0.1", () => console.log(netServer.address().port));

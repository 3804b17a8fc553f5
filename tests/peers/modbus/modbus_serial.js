// modbus-serial: holding and input register n hold n, coil and discrete input n are n % 3 == 0, unit 1. Writes are kept.
// With arguments PORT FIRST LAST nobody has holding registers FIRST to LAST. What it says of itself takes four
// pages in each of three levels. Prints its port.
const { ServerTCP } = require("modbus-serial");

const registers = new Map();
const coils = new Map();
const inside = (address) => {
  if (address >= 2000) throw { modbusErrorCode: 2 };
  return address;
};
const [port, first, last] = process.argv.slice(2).map(Number);
const defined = (address) => {
  if (address >= first && address <= last) throw { modbusErrorCode: 2 };
  return inside(address);
};
const vector = {
  getHoldingRegister: (address) => registers.get(address) ?? defined(address),
  getInputRegister: (address) => inside(address),
  getCoil: (address) => coils.get(address) ?? inside(address) % 3 === 0,
  getDiscreteInput: (address) => inside(address) % 3 === 0,
  setRegister: (address, value) => void registers.set(inside(address), value),
  setCoil: (address, value) => void coils.set(inside(address), value),
  readDeviceIdentification: () => ({
    0: "Vendor", 1: "Product", 2: "1.2", 3: "http://vendor", 5: "Model",
    128: "a".repeat(200), 130: "b".repeat(200), 255: "c".repeat(200),
  }),
};
const server = new ServerTCP(vector, { host: "127.0.0.1", port: port ?? 0, unitID: 1 });
server.on("initialized", () => console.log(server._server.address().port));

// modbus-serial that takes the longer the lower the address, so requests that come together are answered the last
// first. Holding register n holds n; input register 0 how many answers went out before one that was asked for earlier.
// Prints its port.
const { ServerTCP } = require("modbus-serial");

let asked = 0;
let overtaken = 0;
const underWay = new Set();
const later = (milliseconds, value) =>
  new Promise((resolve) => {
    const number = asked++;
    underWay.add(number);
    setTimeout(() => {
      underWay.delete(number);
      if ([...underWay].some((other) => other < number)) overtaken++;
      resolve(value);
    }, milliseconds);
  });
const vector = {
  getHoldingRegister: (address) => later(Math.max(1, 100 - address / 10), address),
  getInputRegister: () => overtaken,
};
const server = new ServerTCP(vector, { host: "127.0.0.1", port: Number(process.argv[2]), unitID: 1 });
server.on("initialized", () => console.log(server._server.address().port));

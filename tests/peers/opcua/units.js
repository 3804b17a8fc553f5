// The units that node-opcua knows: what each is called, and its number, one JSON array a line.
"use strict";
globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18 has it only there
const { standardUnits } = require("node-opcua");
for (const unit of Object.values(standardUnits)) {
    console.log(JSON.stringify([unit.displayName.text, unit.unitId]));
}

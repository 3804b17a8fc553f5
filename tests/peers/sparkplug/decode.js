// Decodes Sparkplug B payloads by sparkplug-payload: base64 in, one a line; JSON out, one a line.
"use strict";
const readline = require("node:readline");
const payload = require("sparkplug-payload").get("spBv1.0");

// Integers of 64 bits come as objects of the package long.
const plain = (key, value) => (value && typeof value.toNumber === "function" ? value.toNumber() : value);

async function main() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        process.stdout.write(JSON.stringify(payload.decodePayload(Buffer.from(line, "base64")), plain) + "\n");
    }
}

main();

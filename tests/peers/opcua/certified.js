// Servers by node-opcua that only tell their endpoints: `node certified.js OPTIONS`, a JSON object with `pki` and
// `servers`, each with `port`, `certificate`, `key` and `uri`; one that is `shut` has no channel without security.
// Prints "ready"; ends with its standard input.
"use strict";
globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18 has it only there
const { MessageSecurityMode, OPCUACertificateManager, OPCUADiscoveryServer, SecurityPolicy } = require("node-opcua");

const options = JSON.parse(process.argv[2]);

async function main() {
    const pki = new OPCUACertificateManager({ rootFolder: options.pki, automaticallyAcceptUnknownCertificate: true });
    await pki.initialize();
    for (const { port, certificate, key, uri, shut } of options.servers) {
        const server = new OPCUADiscoveryServer({
            port, hostname: "localhost", serverInfo: { applicationUri: uri }, serverCertificateManager: pki,
            certificateFile: certificate, privateKeyFile: key,
            securityPolicies: [...(shut ? [] : [SecurityPolicy.None]), SecurityPolicy.Basic256Sha256],
            securityModes: [...(shut ? [] : [MessageSecurityMode.None]), MessageSecurityMode.SignAndEncrypt],
        });
        await server.start();
    }
    process.stdout.write("ready\n");
    process.stdin.on("end", () => process.exit(0)).resume();
}

main().catch((error) => { console.error(error); process.exit(1); });

// An OPC UA client by node-opcua: `node reads.js OPTIONS`, a JSON object. Reads `nodes` once by each of `policies`,
// signed and encrypted, and prints a line of JSON for each.
"use strict";
globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18 has it only there
const { AttributeIds, MessageSecurityMode, OPCUACertificateManager, OPCUAClient, SecurityPolicy } = require("node-opcua");

const options = JSON.parse(process.argv[2]);

async function main() {
    const pki = new OPCUACertificateManager({ rootFolder: options.pki, automaticallyAcceptUnknownCertificate: true });
    await pki.initialize();
    for (const policy of options.policies) {
        const client = OPCUAClient.create({
            applicationUri: options.uri,
            securityMode: MessageSecurityMode.SignAndEncrypt,
            securityPolicy: SecurityPolicy[policy],
            certificateFile: options.certificate,
            privateKeyFile: options.key,
            clientCertificateManager: pki,
            endpointMustExist: false,
            connectionStrategy: { maxRetry: 1 },
        });
        await client.connect(options.url);
        const session = await client.createSession();
        const values = await session.read(options.nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })));
        process.stdout.write(JSON.stringify([policy, ...values.map(({ value }) => value.value)]) + "\n");
        await session.close();
        await client.disconnect();
    }
}

main().then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1); });

// An OPC UA client by node-opcua: `node client.js OPTIONS`, a JSON object. Prints what it reads and the events
// that it is told, one JSON object a line; ends with its standard input.
"use strict";
globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18 has it only there
const {
    AttributeIds, MessageSecurityMode, OPCUACertificateManager, OPCUAClient, SecurityPolicy, constructEventFilter,
    ClientSubscription, ClientMonitoredItem, TimestampsToReturn,
} = require("node-opcua");

const options = JSON.parse(process.argv[2]);
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

async function main() {
    const pki = new OPCUACertificateManager({ rootFolder: options.pki, automaticallyAcceptUnknownCertificate: true });
    await pki.initialize();
    const client = OPCUAClient.create({
        applicationUri: options.uri,
        securityMode: MessageSecurityMode.SignAndEncrypt,
        securityPolicy: SecurityPolicy[options.policy],
        certificateFile: options.certificate,
        privateKeyFile: options.key,
        clientCertificateManager: pki,
        endpointMustExist: false,
        connectionStrategy: { maxRetry: 1 },
    });
    await client.connect(options.url);
    const session = await client.createSession();
    const values = await session.read(options.nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })));
    say({ read: values.map(({ statusCode, value }) => [statusCode.name, value.value]) });
    const written = await session.write({
        nodeId: options.nodes[0], attributeId: AttributeIds.Value, value: { value: values[0].value },
    });
    say({ written: written.name });
    const subscription = ClientSubscription.create(session, { requestedPublishingInterval: 100, publishingEnabled: true });
    const fields = ["ConditionName", "Message", "Severity", "ActiveState.Id", "Retain"];
    const item = ClientMonitoredItem.create(
        subscription,
        { nodeId: options.source, attributeId: AttributeIds.EventNotifier },
        { queueSize: 100, filter: constructEventFilter(fields) },
        TimestampsToReturn.Both,
    );
    item.on("changed", (found) => say({ event: found.map((v) => (v.value && v.value.text) || v.value) }));
    item.on("initialized", () => say({ listens: true }));
    process.stdin.resume();
    await new Promise((done) => process.stdin.on("end", done));
    await session.close();
    await client.disconnect();
}

main().then(() => process.exit(0), (error) => { say({ failed: String(error.message) }); process.exit(1); });

// An OPC UA client by node-opcua: `node client.js OPTIONS`, a JSON object. Prints what it reads and the events
// that it is told, one JSON object a line. Obeys JSON lines on stdin: refresh, acknowledge and comment, with the
// `condition` and the `event` meant, and prints the status. Ends with its standard input.
"use strict";
globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18 has it only there
const {
    AttributeIds, ClientMonitoredItem, ClientSubscription, DataType, MessageSecurityMode, MethodIds,
    OPCUACertificateManager, OPCUAClient, SecurityPolicy, SimpleAttributeOperand, TimestampsToReturn, UserTokenType,
    callConditionRefresh, constructEventFilter, ofType, resolveNodeId,
} = require("node-opcua");
const readline = require("node:readline");

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
    const session = await client.createSession(
        options.user && { type: UserTokenType.UserName, userName: options.user, password: options.password });
    const values = await session.read(options.nodes.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })));
    say({ read: values.map(({ statusCode, value }) => [statusCode.name, value.value]) });
    const written = await session.write({
        nodeId: options.nodes[0], attributeId: AttributeIds.Value, value: { value: values[0].value },
    });
    say({ written: written.name });
    const subscription = ClientSubscription.create(session, { requestedPublishingInterval: 100, publishingEnabled: true });
    const names = ["EventType", "EventId", "ConditionName", "Message", "Severity", "ActiveState.Id", "AckedState.Id",
        "Retain", "Comment", "ClientUserId"];
    const filter = constructEventFilter(names, ofType(options.type || "ConditionType"));
    filter.selectClauses.push(new SimpleAttributeOperand({ // the ConditionId (Part 9, 5.5.2)
        typeDefinitionId: "i=2782", browsePath: [], attributeId: AttributeIds.NodeId,
    }));
    const item = ClientMonitoredItem.create(
        subscription, { nodeId: options.source, attributeId: AttributeIds.EventNotifier }, { queueSize: 100, filter },
        TimestampsToReturn.Both,
    );
    const kinds = { "ns=0;i=2787": "start", "ns=0;i=2788": "end" };
    item.on("changed", (found) => {
        const event = Object.fromEntries([...names, "ConditionId"].map((name, i) => [name, plain(found[i].value)]));
        say(kinds[event.EventType] ? { refresh: kinds[event.EventType] } : { event });
    });
    item.on("initialized", () => say({ listens: true }));
    for await (const line of readline.createInterface({ input: process.stdin })) {
        say({ status: (await obey(session, subscription, JSON.parse(line))).name });
    }
    await session.close();
    await client.disconnect();
}

function plain(value) {
    if (value === null || value === undefined) return null;
    if (Buffer.isBuffer(value)) return value.toString("hex");
    return value.constructor.name === "NodeId" ? value.toString() : value.text === undefined ? value : value.text;
}

async function obey(session, subscription, { what, condition, event, comment }) {
    if (what === "refresh") return callConditionRefresh(session, subscription.subscriptionId);
    const id = Buffer.from(event, "hex");
    if (what === "acknowledge") return session.acknowledgeCondition(condition, id, comment);
    const answer = await session.call({
        objectId: condition, methodId: resolveNodeId(MethodIds.ConditionType_AddComment),
        inputArguments: [{ dataType: DataType.ByteString, value: id },
            { dataType: DataType.LocalizedText, value: { text: comment } }],
    });
    return answer.statusCode;
}

main().then(() => process.exit(0), (error) => { say({ failed: String(error.message) }); process.exit(1); });

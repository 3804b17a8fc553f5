// What node-opcua's client costs: `node bench.js OPTIONS`, a JSON object. Reads the nodes or subscribes to them,
// and prints the processor time and the memory that it took.
"use strict";
globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18 has it only there
const {
    AttributeIds, ClientMonitoredItemGroup, OPCUAClient, StatusCodes, TimestampsToReturn,
} = require("node-opcua");

const AT_ONCE = 1000; // nodes in one request, which is what the server takes
const options = JSON.parse(process.argv[2]);
const sleep = (seconds) => new Promise((done) => setTimeout(done, 1000 * Math.max(0, seconds)));
const now = () => Number(process.hrtime.bigint()) / 1e9;

async function main() {
    const client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 1 } });
    await client.connect(options.url);
    const session = await client.createSession();
    const index = (await session.readNamespaceArray()).indexOf(options.namespace);
    const nodes = Array.from({ length: options.count }, (_, i) => (
        { nodeId: `ns=${index};s=v${i}`, attributeId: AttributeIds.Value }
    ));
    const told = await (options.subscribe ? subscribe(session, nodes) : read(session, nodes));
    process.stdout.write(JSON.stringify(told) + "\n", () => process.exit(0));
}

async function subscribe(session, nodes) {
    const subscription = await session.createSubscription2({
        requestedPublishingInterval: 1000 * options.period, requestedMaxKeepAliveCount: 100,
        requestedLifetimeCount: 1000, maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 0,
    });
    const group = ClientMonitoredItemGroup.create(subscription, nodes, {
        samplingInterval: 1000 * options.period, queueSize: 1, discardOldest: true,
    }, TimestampsToReturn.Both);
    let values = 0;
    group.on("changed", () => values++);
    await new Promise((done) => group.on("initialized", done));
    return measured(async () => {
        values = 0;
        await sleep(options.seconds);
        return values;
    });
}

async function read(session, nodes) {
    const parts = [];
    for (let start = 0; start < nodes.length; start += AT_ONCE) parts.push(nodes.slice(start, start + AT_ONCE));
    return measured(async () => {
        let values = 0;
        const began = now();
        for (let tick = 1; tick <= options.seconds / options.period; tick++) {
            for (const part of parts) {
                const answers = await session.read(part);
                values += answers.filter(({ statusCode }) => statusCode === StatusCodes.Good).length;
            }
            await sleep(began + tick * options.period - now());
        }
        return values;
    });
}

async function measured(run) {
    await sleep(2); // what the start costs is over
    const before = process.cpuUsage();
    const began = now();
    const values = await run();
    const wall = now() - began;
    const { user, system } = process.cpuUsage(before);
    return {
        core: (user + system) / 1e6 / wall, values: values / wall, us: (user + system) / Math.max(1, values),
        rss: process.memoryUsage().rss / 1e6,
    };
}

main().catch((error) => { console.error(error); process.exit(1); });

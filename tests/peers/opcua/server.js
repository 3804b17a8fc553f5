// An OPC UA server by node-opcua: `node server.js OPTIONS`, a JSON object. Prints "ready"; obeys JSON lines on stdin.
// Nodes are strings in urn:test:plant, which is registered behind `namespaces`, so that they shift its index.
// Its clock is `ahead`, in s; of requests it takes `limits`, which it does not tell if it is `silent`; it tells `page`
// references at once and keeps one continuation point; reading Slow takes `slow` ms; `types` are those of nodes v0,
// v1, ... if not Double; with `every` there are nodes of every type too, with `typed` those of typed.js.
"use strict";
globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18 has it only there
const options = {
    namespaces: [], types: {}, count: 0, ahead: 0, silent: false, slow: 800, maxSessions: 20, limits: {}, every: false,
    ...JSON.parse(process.argv[2]),
};
setClock(options.ahead); // before anybody looks at it
const readline = require("node:readline");
const {
    DataType, DataValue, MessageSecurityMode, OPCUACertificateManager, OPCUAServer,
    Range, SecurityPolicy, StatusCodes, Variant, VariantArrayType,
} = require("node-opcua");
const every = require("./types.js");

const LIMITS = ["i=11705", "i=11707", "i=11710", "i=11712", "i=11714"]; // MaxNodesPerRead and the like

function scalar(type, value) {
    return { dataType: DataType[type], arrayType: VariantArrayType.Scalar, value };
}

async function main() {
    const pki = new OPCUACertificateManager({
        rootFolder: options.pki, automaticallyAcceptUnknownCertificate: options.policies.length === 0,
    });
    await pki.initialize();
    const secured = options.policies.length > 0;
    const server = new OPCUAServer({
        port: options.port,
        hostname: "localhost",
        resourcePath: "/",
        serverInfo: { applicationUri: options.uri || "urn:test:server" },
        ...(secured ? { certificateFile: options.certificate, privateKeyFile: options.key } : {}),
        serverCertificateManager: pki,
        userCertificateManager: pki,
        securityPolicies: secured ? options.policies.map((name) => SecurityPolicy[name]) : [SecurityPolicy.None],
        securityModes: secured
            ? [MessageSecurityMode.SignAndEncrypt, MessageSecurityMode.Sign] : [MessageSecurityMode.None],
        allowAnonymous: true,
        userManager: { isValidUser: (name, password) => (options.users || {})[name] === password },
        nodeset_filename: [require("node-opcua").nodesets.standard, ...(options.every ? [every.TYPES] : [])],
        serverCapabilities: {
            maxSessions: options.maxSessions, maxSubscriptions: 10 * options.maxSessions,
            operationLimits: { maxNodesPerRead: 1000, maxNodesPerWrite: 500, ...options.limits },
        },
    });
    await server.initialize();
    const space = server.engine.addressSpace;
    for (const uri of options.namespaces) space.registerNamespace(uri);
    const namespace = space.registerNamespace("urn:test:plant");
    const variables = populate(space, namespace);
    if (options.typed) require("./typed.js").add(namespace);
    if (options.page) require("./pages.js").limit(server, options.page);
    const replace = options.every ? every.populate(space) : null;
    if (options.silent) for (const limit of LIMITS) tell(space, limit, scalar("UInt32", 0));
    await server.start();
    process.stdout.write("ready\n");
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const order = JSON.parse(line);
        if (order.namespaces) tell(space, "i=2255", strings(order.namespaces)); // NamespaceArray
        else if (order.structure) replace(order.structure, order.type, order.fields, order.kept);
        else if (order.range) setRange(variables[order.name], order.range);
        else obey(namespace, variables, order);
        process.stdout.write("done\n");
    }
    process.exit(0);
}

function populate(space, namespace) {
    const variables = {};
    const press = namespace.addObject({
        browseName: "Press", nodeId: "s=Press", organizedBy: space.rootFolder.objects,
    });
    function add(name, value, more = {}) {
        variables[name] = namespace.addVariable({
            browseName: name, nodeId: `s=${name}`, componentOf: press, dataType: value.dataType,
            minimumSamplingInterval: 10, value, ...more,
        });
    }
    add("Vibration", scalar("Double", 1.5));
    add("Count", scalar("UInt16", 7));
    add("Big", scalar("UInt64", [0x200000, 1]));
    add("Text", scalar("String", "running"));
    add("Started", scalar("DateTime", new Date(Date.UTC(2026, 0, 2, 3, 4, 5))));
    add("State", scalar("Int32", 3));
    add("Fixed", scalar("Double", 1), { accessLevel: "CurrentRead", userAccessLevel: "CurrentRead" });
    add("Curve", { dataType: DataType.Double, arrayType: VariantArrayType.Array, value: Float64Array.of(1, 2, 4) },
        { valueRank: 1 });
    variables.Slow = namespace.addVariable({
        browseName: "Slow", nodeId: "s=Slow", componentOf: press, dataType: "Double", minimumSamplingInterval: 1000,
        value: {
            refreshFunc: (done) => setTimeout(() => done(null, new DataValue({
                value: new Variant(scalar("Double", 1)), statusCode: StatusCodes.Good,
            })), options.slow),
        },
    });
    variables.Temperature = namespace.addAnalogDataItem({
        browseName: "Temperature", nodeId: "s=Temperature", componentOf: press, dataType: "Double",
        engineeringUnitsRange: { low: -20, high: 150 },
        engineeringUnits: require("node-opcua").standardUnits.degree_celsius,
        value: new Variant(scalar("Double", 60)),
    });
    for (let i = 0; i < options.count; i++) add(`v${i}`, scalar(options.types[`v${i}`] || "Double", i));
    if (options.rate) {
        let tick = 0;
        setInterval(() => {
            tick++;
            for (let i = 0; i < options.count; i++) variables[`v${i}`].setValueFromSource(scalar("Double", i + tick));
        }, options.rate);
    }
    return variables;
}

// Sets a variable, `ahead` s in the future; one that is not there, or not of the `type` given, is made first.
function obey(namespace, variables, { name, value, status, type, ahead }) {
    const made = () => namespace.addVariable({
        browseName: name, nodeId: `s=${name}`, componentOf: namespace.findNode("s=Press"),
        dataType: type || "Double", value: scalar(type || "Double", value),
    });
    if (type && variables[name]) {
        namespace.deleteNode(variables[name]);
        delete variables[name];
    }
    const variable = variables[name] ??= made();
    const at = new Date(Date.now() + 1000 * (ahead || 0));
    variable.setValueFromSource(scalar(DataType[variable.readValue().value.dataType], value),
        StatusCodes[status || "Good"], at);
}

function setRange(variable, [low, high]) {
    variable.getPropertyByName("EURange").setValueFromSource(
        { dataType: DataType.ExtensionObject, value: new Range({ low, high }) });
}

function strings(value) {
    return { dataType: DataType.String, arrayType: VariantArrayType.Array, value };
}

function tell(space, node, value) {
    space.findNode(node).bindVariable({ get: () => new Variant(value) }, true);
}

function setClock(ahead) {
    const Real = Date;
    globalThis.Date = class extends Real {
        constructor(...given) { super(...(given.length ? given : [Real.now() + 1000 * ahead])); }
        static now() { return Real.now() + 1000 * ahead; }
    };
}

main().catch((error) => { console.error(error); process.exit(1); });

// Nodes of every kind of type and of node id, in urn:test:types, whose own types are in types.xml.
"use strict";
const { DataType, NodeId, NodeIdType, StatusCodes, VariantArrayType } = require("node-opcua");

const TYPES = require("node:path").join(__dirname, "types.xml");
const SCALARS = {
    Boolean: true, SByte: -5, Byte: 200, Int16: -1234, UInt16: 54321, Int32: -123456, UInt32: 4000000000,
    Int64: [0xffffffff, 0xfffffff0], UInt64: [1, 2], Float: 1.5, Double: 0.1, String: "running",
    DateTime: new Date(Date.UTC(2026, 0, 2, 3, 4, 5)), Guid: "72962B91-FA75-4AE6-8D28-B404DC7DAF63",
    ByteString: Buffer.from("abc"), StatusCode: StatusCodes.BadInternalError, LocalizedText: { text: "läuft", locale: "de" },
};

function populate(space) {
    const namespace = space.getNamespace("urn:test:types");
    const folder = namespace.addObject({ browseName: "Types", nodeId: "s=Types", organizedBy: space.rootFolder.objects });
    function add(name, value, more = {}) {
        return namespace.addVariable({
            browseName: name, nodeId: `s=${name}`, componentOf: folder, dataType: value.dataType, value,
            minimumSamplingInterval: 10, ...more,
        });
    }
    for (const [name, value] of Object.entries(SCALARS)) add(name, { dataType: DataType[name], arrayType: VariantArrayType.Scalar, value });
    for (const [name, nodeId] of Object.entries({
        Numeric: new NodeId(NodeIdType.NUMERIC, 4711, namespace.index),
        OfGuid: new NodeId(NodeIdType.GUID, "09087E75-8E5E-499B-954F-F2A9603DB28A", namespace.index),
        Opaque: new NodeId(NodeIdType.BYTESTRING, Buffer.from([1, 2, 255]), namespace.index),
    })) add(name, { dataType: DataType.Double, value: 4.5 }, { nodeId });
    add("Matrix", { dataType: DataType.Int32, arrayType: VariantArrayType.Matrix, dimensions: [2, 3], value: [1, 2, 3, 4, 5, 6] },
        { valueRank: 2, arrayDimensions: [2, 3] });
    add("Cube", { dataType: DataType.Double, arrayType: VariantArrayType.Matrix, dimensions: [2, 2, 2], value: [0, 1, 2, 3, 4, 5, 6, 7] },
        { valueRank: 3, arrayDimensions: [2, 2, 2] });
    const mode = namespace.findDataType("Mode");
    add("Mode", { dataType: DataType.Int32, value: 7 }, { dataType: mode.nodeId });
    add("Modes", { dataType: DataType.Int32, arrayType: VariantArrayType.Array, value: [0, 7] }, { dataType: mode.nodeId, valueRank: 1 });
    for (const [name, enumeration, value] of [
        ["Strings", ["Low", "High"], 1], ["Values", [{ displayName: "Ten", value: 10 }], 10], // without a definition
    ]) {
        const type = namespace.addEnumerationType({ browseName: `${name}Type`, enumeration });
        add(name, { dataType: DataType.Int32, value }, { dataType: type.nodeId });
    }
    const word = namespace.createDataType({ browseName: "WORD", isAbstract: false, subtypeOf: "UInt16", nodeId: "i=3010" });
    add("Word", { dataType: DataType.UInt16, value: 513 }, { dataType: word.nodeId });
    add("ReadOnlyForUs", { dataType: DataType.Double, value: 1 },
        { accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead" });
    function made(name, fields) { return space.constructExtensionObject(namespace.findDataType(name), fields); }
    function structure(name, type, value) {
        const array = Array.isArray(value);
        add(name, { dataType: DataType.ExtensionObject, arrayType: VariantArrayType[array ? "Array" : "Scalar"], value },
            { dataType: namespace.findDataType(type).nodeId, valueRank: array ? 1 : -1 });
    }
    const x = { name: "x", speed: 1.5, mode: 1 }, y = { name: "y", speed: -2.5, mode: 7 };
    structure("Press", "Press", made("Press", { force: 12.5, main: x, axes: [x, y], curve: [1, 2, 4], pause: 250, mode: 7 }));
    structure("Axes", "Axis", [made("Axis", x), made("Axis", y)]);
    structure("Either", "Either", made("Either", { text: "off" }));
    // Makes a structure, or gives it another type, as a download does: by a new node of the same id, or if `kept` in the same node.
    return (name, type, fields, kept) => {
        const before = namespace.findNode(`s=${name}`);
        if (kept) {
            before.dataType = namespace.findDataType(type).nodeId;
            before.setValueFromSource({ dataType: DataType.ExtensionObject, value: made(type, fields) });
            return;
        }
        if (before) namespace.deleteNode(before);
        structure(name, type, made(type, fields));
    };
}

module.exports = { TYPES, populate };

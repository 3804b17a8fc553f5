// Nodes of the types that a vendor adds to those of the standard, below the object Typed in the namespace.
"use strict";
const { DataType, VariantArrayType, coerceNodeId } = require("node-opcua");
const { OpaqueStructure } = require("node-opcua-extension-object");

// Says that it is a Range (i=886), which has 16 bytes.
class Torn extends OpaqueStructure {
    constructor() {
        super(coerceNodeId("i=886"), Buffer.from("torn"));
    }
}

exports.add = function add(namespace) {
    const folder = namespace.addObject({
        browseName: "Typed", nodeId: "s=Typed", organizedBy: namespace.addressSpace.rootFolder.objects,
    });
    const mode = namespace.addEnumerationType({ browseName: "Mode", enumeration: ["Off", "On", "Fault"] });
    const word = namespace.createDataType({
        browseName: "WORD", nodeId: "i=3002", isAbstract: false, subtypeOf: "UInt16",
    });
    const deeper = namespace.createDataType({
        browseName: "STATUSWORD", nodeId: "i=3003", isAbstract: false, subtypeOf: word,
    });
    const values = {
        Enum: [mode, DataType.Int32, 2],
        Word: [word, DataType.UInt16, 513],
        StatusWord: [deeper, DataType.UInt16, 7],
        Name: ["String", DataType.String, "press 7"],
        Label: ["LocalizedText", DataType.LocalizedText, { text: "läuft", locale: "de" }],
        Since: ["DateTime", DataType.DateTime, new Date(Date.UTC(2026, 0, 2, 3, 4, 5))],
        Any: ["BaseDataType", DataType.Double, 2.5],
        Id: ["Guid", DataType.Guid, "72962B91-FA75-4AE6-8D28-B404DC7DAF63"],
        Blob: ["ByteString", DataType.ByteString, Buffer.from("abc")],
        Torn: ["Structure", DataType.ExtensionObject, new Torn()],
        Words: [word, DataType.UInt16, Uint16Array.of(1, 2, 3)],
        Wave: ["Float", DataType.Float, new Float32Array(500)],
    };
    for (const [browseName, [dataType, encoding, value]] of Object.entries(values)) {
        const isArray = ArrayBuffer.isView(value) && !Buffer.isBuffer(value);
        namespace.addVariable({
            browseName, nodeId: `s=${browseName}`, componentOf: folder, dataType, valueRank: isArray ? 1 : -1,
            value: { dataType: encoding, arrayType: isArray ? VariantArrayType.Array : VariantArrayType.Scalar, value },
        });
    }
};

// A Node that has no WebSocket of its own gets the one of the package ws, from where the example is.
const { createRequire } = require("node:module");
globalThis.WebSocket ??= createRequire(process.argv[1])("ws");

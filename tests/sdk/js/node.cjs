// The SDK for JavaScript in Node, as a puppet of tests/sdk/puppet.py.
//   node.cjs json|protobuf
const readline = require("node:readline");
const WebSocket = require("ws");
require("./puppet.js");

const protobuf = process.argv[2] === "protobuf";
const { Centrifuge } = require(protobuf ? "centrifuge/build/protobuf" : "centrifuge");
const bytes = (data) => new TextEncoder().encode(JSON.stringify(data));
const value = (data) => JSON.parse(new TextDecoder().decode(data));
const puppet = globalThis.makePuppet(Centrifuge, { websocket: WebSocket }, ...(protobuf ? [bytes, value] : []));

readline.createInterface({ input: process.stdin }).on("line", (line) => puppet.perform(JSON.parse(line)))
  .on("close", () => process.exit(0));

const pump = async () => {
  for (;;) {
    for (const event of await puppet.told(1000)) process.stdout.write(`${JSON.stringify(event)}\n`);
  }
};
pump();

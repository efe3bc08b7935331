// A broadcast server as its authors show it: every message goes to everybody of its room (the path) but its sender.
//   node server.js [PORT]     Prints "listening" when it is ready.
import { WebSocket, WebSocketServer } from "ws";

const port = Number(process.argv[2] ?? 9003);
const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false, backlog: 4096 });

const rooms = new Map();

server.on("connection", (sender, request) => {
  const name = request.url;
  const room = rooms.get(name) ?? new Set();
  rooms.set(name, room.add(sender));
  sender.on("close", () => room.delete(sender));
  sender.on("error", () => sender.terminate());
  sender.on("message", (data, binary) => {
    for (const member of room) {
      if (member !== sender && member.readyState === WebSocket.OPEN) member.send(data, { binary });
    }
  });
});
server.on("listening", () => console.log("listening"));

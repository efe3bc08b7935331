// A broadcast server as its authors show it: every message goes to everybody but its sender.
//   node server.js [PORT]     Prints "listening" when it is ready.
import { WebSocket, WebSocketServer } from "ws";

const port = Number(process.argv[2] ?? 9003);
const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false, backlog: 4096 });

server.on("connection", (sender) => {
  sender.on("error", () => sender.terminate());
  sender.on("message", (data, binary) => {
    for (const member of server.clients) {
      if (member !== sender && member.readyState === WebSocket.OPEN) member.send(data, { binary });
    }
  });
});
server.on("listening", () => console.log("listening"));

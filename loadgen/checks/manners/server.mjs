// Servers with manners of their own, made of what others wrote.
//   node server.mjs PORT CERTIFICATE KEY
// PORT speaks ws: what comes to /closing is closed with 4001 after a second, and the code of every close is printed; all
// other paths are rooms in which everybody gets what the others say. PORT + 1 is the same in TLS. Prints "listening" when both do.
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { readFileSync } from "node:fs";
import { WebSocket, WebSocketServer } from "ws";

const [port, certificate, key] = [Number(process.argv[2]), process.argv[3], process.argv[4]];

function serve(server) {
  const rooms = new Map();
  new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (socket, request) => {
    const room = rooms.get(request.url) ?? new Set();
    rooms.set(request.url, room.add(socket));
    socket.on("close", (code) => {
      room.delete(socket);
      console.log(`closed ${code}`);
    });
    socket.on("error", () => socket.terminate());
    socket.on("message", (data, binary) => {
      for (const member of room) {
        if (member !== socket && member.readyState === WebSocket.OPEN) member.send(data, { binary });
      }
    });
    if (request.url === "/closing") setTimeout(() => socket.close(4001, "enough"), 1000);
  });
  return server;
}

const plain = serve(createServer());
const secure = serve(createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key) }));

let listening = 0;
for (const [offset, server] of [plain, secure].entries()) {
  server.listen({ host: "127.0.0.1", port: port + offset, backlog: 4096 }, () => {
    listening += 1;
    if (listening === 2) console.log("listening");
  });
}

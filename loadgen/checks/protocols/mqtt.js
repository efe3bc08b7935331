// A broker of MQTT behind WebSockets: npm aedes, which ends what is silent for one and a half times its keep-alive.
//   node mqtt.js PORT
// In the topic of the first room a message is retained that looks like one of fanload's.
import { createServer } from "node:http";

import { Aedes } from "aedes";
import { WebSocketServer, createWebSocketStream } from "ws";

const broker = await Aedes.createBroker();
const retained = { cmd: "publish", topic: "room/0", payload: "FNLD of yesterday", qos: 0, retain: true };
await new Promise((resolve, reject) => broker.publish(retained, (error) => (error ? reject(error) : resolve())));

const server = createServer();
const handleProtocols = (offered) => (offered.has("mqtt") ? "mqtt" : false);
const sockets = new WebSocketServer({ server, path: "/mqtt", handleProtocols, perMessageDeflate: false });
sockets.on("connection", (socket, request) => {
  // One that offers nothing else would be let in all the same.
  if (socket.protocol === "mqtt") broker.handle(createWebSocketStream(socket), request);
  else socket.close(1002, "want mqtt");
});
server.listen(Number(process.argv[2]), "127.0.0.1");

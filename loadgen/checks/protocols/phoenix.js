// A server that keeps to the channels of Phoenix, in the second version of their JSON: our own, since Phoenix itself is in
// no registry that is used here. clients.js shows that npm phoenix, the client of its authors, is content with it.
//   node phoenix.js PORT TIMEOUT_MS      ends what was silent for so long
// A topic "room:..." broadcasts "new_msg" to all of its members; the event "refused" is answered with an error.
import { WebSocketServer } from "ws";

const [port, timeoutMs] = process.argv.slice(2).map(Number);
const topics = new Map();

class Session {
  constructor(socket) {
    this.socket = socket;
    // By topic: the number of the join.
    this.joins = new Map();
    socket.on("message", (data) => this.hear(JSON.parse(data)));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      clearTimeout(this.timer);
      for (const topic of this.joins.keys()) topics.get(topic).delete(this);
    });
    this.watch();
  }

  watch() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.socket.close(1000, "silent"), timeoutMs);
  }

  say(...message) {
    this.socket.send(JSON.stringify(message));
  }

  hear([joinRef, ref, topic, event, payload]) {
    this.watch();
    const reply = (status, response = {}) => this.say(joinRef, ref, topic, "phx_reply", { status, response });
    if (topic === "phoenix" && event === "heartbeat") return reply("ok");
    if (event === "phx_join") {
      if (!topic.startsWith("room:")) return reply("error", { reason: "unmatched topic" });
      this.joins.set(topic, joinRef);
      if (!topics.has(topic)) topics.set(topic, new Set());
      topics.get(topic).add(this);
      return reply("ok");
    }
    if (this.joins.get(topic) !== joinRef) return reply("error", { reason: "unmatched topic" });
    if (event === "phx_leave") {
      topics.get(topic).delete(this);
      this.joins.delete(topic);
      reply("ok");
      return this.say(joinRef, ref, topic, "phx_close", {});
    }
    if (event !== "new_msg") return reply("error", { reason: "unmatched event" });
    const broadcast = JSON.stringify([null, null, topic, event, payload]);
    for (const member of topics.get(topic)) member.socket.send(broadcast);
    reply("ok");
  }
}

const sockets = new WebSocketServer({ host: "127.0.0.1", port, path: "/socket/websocket", perMessageDeflate: false });
sockets.on("connection", (socket, request) => {
  const version = new URL(request.url, "ws://host").searchParams.get("vsn");
  if (version === "2.0.0") new Session(socket);
  else socket.close(1002, "want vsn=2.0.0");
});

// A server that keeps to Pusher's protocol 7, with private channels, presence and client events: our own, since those of
// others are in none of the registries that are used here. clients.js shows that npm pusher-js, the client of its authors,
// is content with it.
//   node pusher.js PORT KEY SECRET ACTIVITY_SECONDS
// Whoever was silent for so long is asked, and closed with 4201 if it does not answer within a second. The event
// "client-refused" is refused as one that comes too fast would be.
import { createHmac } from "node:crypto";

import { WebSocketServer } from "ws";

const [port, key, secret, activitySeconds] = process.argv.slice(2);
const channels = new Map();
let sessions = 0;

const sign = (text) => `${key}:${createHmac("sha256", secret).update(text).digest("hex")}`;

class Session {
  constructor(socket) {
    this.socket = socket;
    sessions += 1;
    this.id = `${process.pid}.${sessions}`;
    // By channel: the user_id where there is presence.
    this.members = new Map();
    socket.on("message", (data) => this.hear(JSON.parse(data)));
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      clearTimeout(this.timer);
      for (const channel of this.members.keys()) channels.get(channel).delete(this);
    });
    this.watch();
    const data = { socket_id: this.id, activity_timeout: Number(activitySeconds) };
    this.say({ event: "pusher:connection_established", data: JSON.stringify(data) });
  }

  watch() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.say({ event: "pusher:ping", data: "{}" });
      this.timer = setTimeout(() => this.socket.close(4201, "Pong reply not received"), 1000);
    }, activitySeconds * 1000);
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  refuse(code, message) {
    this.say({ event: "pusher:error", data: { code, message } });
  }

  hear({ event, channel, data }) {
    this.watch();
    if (event === "pusher:ping") return this.say({ event: "pusher:pong", data: "{}" });
    if (event === "pusher:pong") return;
    if (event === "pusher:subscribe") return this.subscribe(data);
    if (event === "pusher:unsubscribe") {
      channels.get(data.channel)?.delete(this);
      this.members.delete(data.channel);
      return;
    }
    const isAllowed = event.startsWith("client-") && /^(private|presence)-/.test(channel) && this.members.has(channel);
    if (!isAllowed || event === "client-refused") return this.refuse(4301, `${event} was rejected`);
    const user_id = this.members.get(channel);
    const told = JSON.stringify({ event, channel, data, ...(user_id && { user_id }) });
    for (const member of channels.get(channel)) if (member !== this) member.socket.send(told);
  }

  subscribe({ channel, auth, channel_data: presence }) {
    const hasPresence = channel.startsWith("presence-");
    const signed = [this.id, channel, ...(hasPresence ? [presence] : [])].join(":");
    if ((hasPresence || channel.startsWith("private-")) && auth !== sign(signed)) {
      return this.refuse(4009, `Invalid signature for ${signed}`);
    }
    if (!channels.has(channel)) channels.set(channel, new Set());
    const members = channels.get(channel);
    const user = hasPresence ? JSON.parse(presence).user_id : undefined;
    const joined = JSON.stringify({ event: "pusher_internal:member_added", channel, data: presence });
    if (hasPresence) for (const member of members) member.socket.send(joined);
    members.add(this);
    this.members.set(channel, user);
    const ids = [...members].map((member) => member.members.get(channel));
    const hash = Object.fromEntries(ids.map((id) => [id, null]));
    const data = hasPresence ? { presence: { ids, hash, count: ids.length } } : {};
    this.say({ event: "pusher_internal:subscription_succeeded", channel, data: JSON.stringify(data) });
  }
}

const sockets = new WebSocketServer({ host: "127.0.0.1", port: Number(port), perMessageDeflate: false });
sockets.on("connection", (socket, request) => {
  const { pathname, searchParams } = new URL(request.url, "ws://host");
  if (pathname !== `/app/${key}`) socket.close(4001, "no such application");
  else if (searchParams.get("protocol") !== "7") socket.close(4007, "want protocol=7");
  else new Session(socket);
});

// A server that keeps to Action Cable (actioncable-v1-json): our own, since Rails is in no registry that is used here.
// clients.js shows that npm @rails/actioncable, the client of its authors, is content with it.
//   node actioncable.js PORT
// The channel "ChatChannel" has a room and one action, "speak", which broadcasts its message; the channel "$pubsub" has streams
// in which whispers go to the others, as AnyCable has them. Other channels are rejected.
import { WebSocketServer } from "ws";

const PROTOCOL = "actioncable-v1-json";
const channels = new Map();

class Session {
  constructor(socket) {
    this.socket = socket;
    this.identifiers = new Set();
    socket.on("message", (data) => this.hear(JSON.parse(data)));
    socket.on("error", () => socket.terminate());
    const ping = () => this.say({ type: "ping", message: Math.floor(Date.now() / 1000) });
    const timer = setInterval(ping, 1000);
    socket.on("close", () => {
      clearInterval(timer);
      for (const identifier of this.identifiers) channels.get(identifier).delete(this);
    });
    this.say({ type: "welcome" });
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  hear({ command, identifier, data }) {
    if (command === "subscribe") {
      const isKnown = ["ChatChannel", "$pubsub"].includes(JSON.parse(identifier).channel);
      const type = isKnown ? "confirm_subscription" : "reject_subscription";
      if (isKnown) {
        this.identifiers.add(identifier);
        if (!channels.has(identifier)) channels.set(identifier, new Set());
        channels.get(identifier).add(this);
      }
      return this.say({ identifier, type });
    }
    if (!this.identifiers.has(identifier)) return;
    if (command === "unsubscribe") {
      this.identifiers.delete(identifier);
      channels.get(identifier).delete(this);
      return;
    }
    const isWhisper = command === "whisper";
    const { action, message } = isWhisper ? {} : JSON.parse(data);
    if (!isWhisper && action !== "speak") return;
    const told = JSON.stringify({ identifier, message: isWhisper ? data : { message } });
    for (const member of channels.get(identifier)) if (!isWhisper || member !== this) member.socket.send(told);
  }
}

const port = Number(process.argv[2]);
const handleProtocols = (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false);
const sockets = new WebSocketServer({ host: "127.0.0.1", port, path: "/cable", handleProtocols, perMessageDeflate: false });
sockets.on("connection", (socket) => {
  if (socket.protocol === PROTOCOL) new Session(socket);
  else socket.close(1002, `want ${PROTOCOL}`);
});

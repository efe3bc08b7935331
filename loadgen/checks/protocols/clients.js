// Clients of others at the servers of our own: each hears what another one says, and stays longer than a heartbeat.
//   node clients.js PHOENIX_PORT ACTIONCABLE_PORT PUSHER_PORT KEY SECRET
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { adapters, createConsumer } from "@rails/actioncable";
import { Socket } from "phoenix";
import Pusher from "pusher-js";
import { WebSocket } from "ws";

const [phoenixPort, cablePort, pusherPort, key, secret] = process.argv.slice(2);
// Longer than the servers' heartbeats.
const STAY_MS = 3000;

async function phoenix() {
  const heard = [];
  let closes = 0;
  const join = async (topic) => {
    const socket = new Socket(`ws://127.0.0.1:${phoenixPort}/socket`, { transport: WebSocket, heartbeatIntervalMs: 500 });
    socket.onClose(() => (closes += 1));
    socket.connect();
    const channel = socket.channel(topic, {});
    channel.on("new_msg", ({ body }) => heard.push(body));
    const outcome = await new Promise((resolve) => {
      channel.join().receive("ok", () => resolve("ok")).receive("error", ({ reason }) => resolve(reason));
    });
    return { socket, channel, outcome };
  };
  const push = ({ channel }, event) =>
    new Promise((resolve) => {
      channel.push(event, { body: "hello" }).receive("ok", () => resolve("ok")).receive("error", ({ reason }) => resolve(reason));
    });
  const stranger = await join("other");
  assert.equal(stranger.outcome, "unmatched topic");
  stranger.channel.leave();
  stranger.socket.disconnect();
  const members = [await join("room:1"), await join("room:1")];
  assert.deepEqual(members.map(({ outcome }) => outcome), ["ok", "ok"]);
  closes = 0;
  await pause(STAY_MS);
  assert.equal(closes, 0, "heartbeats are answered");
  assert.equal(await push(members[0], "refused"), "unmatched event");
  assert.equal(await push(members[0], "new_msg"), "ok");
  await pause(200);
  assert.deepEqual(heard, ["hello", "hello"]);
  for (const { socket } of members) socket.disconnect();
}

async function actioncable() {
  adapters.WebSocket = WebSocket;
  adapters.logger = console;
  // Its monitor listens to the page; there is none here.
  globalThis.addEventListener ??= () => {};
  globalThis.removeEventListener ??= () => {};
  globalThis.document ??= { visibilityState: "visible" };
  const heard = [];
  let disconnects = 0;
  const subscribe = async (channel) => {
    const consumer = createConsumer(`ws://127.0.0.1:${cablePort}/cable`);
    const outcome = await new Promise((resolve) => {
      const subscription = consumer.subscriptions.create({ channel, room: "1" }, {
        connected: () => resolve({ consumer, subscription, isConnected: true }),
        rejected: () => resolve({ consumer, isConnected: false }),
        disconnected: () => (disconnects += 1),
        received: ({ message }) => heard.push(message),
      });
    });
    return outcome;
  };
  const stranger = await subscribe("NoChannel");
  assert.equal(stranger.isConnected, false);
  stranger.consumer.disconnect();
  const members = [await subscribe("ChatChannel"), await subscribe("ChatChannel")];
  disconnects = 0;
  await pause(STAY_MS);
  assert.equal(disconnects, 0, "pings come");
  members[0].subscription.perform("speak", { message: "hello" });
  await pause(200);
  assert.deepEqual(heard, ["hello", "hello"]);
  for (const { consumer } of members) consumer.disconnect();
}

async function pusher() {
  const heard = [];
  let isRight = true;
  const customHandler = ({ socketId, channelName }, done) => {
    const signature = createHmac("sha256", secret).update(`${socketId}:${channelName}`).digest("hex");
    done(null, { auth: `${key}:${isRight ? signature : "wrong"}` });
  };
  const join = async () => {
    const client = new Pusher(key, {
      wsHost: "127.0.0.1", wsPort: pusherPort, forceTLS: false, cluster: "", enabledTransports: ["ws"], channelAuthorization: { customHandler },
    });
    const errors = [];
    client.connection.bind("error", (error) => errors.push(error.data?.code));
    const channel = client.subscribe("private-room");
    channel.bind("client-message", ({ text }) => heard.push(text));
    const isIn = await Promise.race([
      new Promise((resolve) => channel.bind("pusher:subscription_succeeded", () => resolve(true))),
      pause(1000, false),
    ]);
    return { client, channel, errors, isIn };
  };
  isRight = false;
  const stranger = await join();
  assert.deepEqual([stranger.isIn, stranger.errors], [false, [4009]]);
  stranger.client.disconnect();
  isRight = true;
  const members = [await join(), await join()];
  assert.deepEqual(members.map(({ isIn }) => isIn), [true, true]);
  const states = [];
  for (const { client } of members) client.connection.bind("state_change", ({ current }) => states.push(current));
  await pause(STAY_MS);
  assert.deepEqual(states, [], "pings are answered");
  members[0].channel.trigger("client-message", { text: "hello" });
  members[0].channel.trigger("client-refused", {});
  await pause(200);
  assert.deepEqual([heard, members[0].errors], [["hello"], [4301]]);
  for (const { client } of members) client.disconnect();
}

await Promise.all([phoenix(), actioncable(), pusher()]);
console.log("clients of others are content with the servers of our own");
process.exit(0);

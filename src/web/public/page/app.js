// The chat page: one WebSocket to /ws or /ws/<room>, chosen by ?room=.
//
// The server sends every message to all others in the room, never back to its sender, so own
// messages are added here. This page's convention is JSON text {"name": ..., "text": ...};
// anything else that arrives is shown as it is.
"use strict";

const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 30_000;
// Failures counted; the waits have long stopped growing by then.
const ATTEMPTS_MAX = 16;
// A connection that lived this long starts over with short waits when it breaks.
const STABLE_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 20_000;
const KEEP_ALIVE_ANSWER_MS = 8_000;
const SILENCE_STEP_MS = 1_000;
const QUESTION_TIMEOUT_MS = 5_000;
// Statuses that mean the same tomorrow: a name no room can have, a page that may not connect, an
// address without WebSockets.
const FINAL_STATUSES = [400, 403, 404];
const RESYNC_MS = 120_000;
const RESYNC_RETRY_MS = 5_000;
const RESYNC_SOON_MS = 600;
// Bytes waiting to be sent above which the connection counts as stuck.
const BUFFERED_MAX = 256 * 1024;
const NAME_KEY = "fanring.name";
const CLOSE_NOTICES = {
  1009: "The last message was too long for this server",
  4001: "The connection was too slow and was closed",
  4002: "The token has expired",
};

const nameField = element("name");
const textField = element("text");
const sendButton = element("send");
const hint = element("hint");
const HINT = hint.textContent;
const UNCONFIRMED = "The connection broke: this may not have arrived";

const room = new URLSearchParams(location.search).get("room") ?? "";

// Where something of the server is, seen from this page: a proxy may show it below a path of its own.
function address(path, name) {
  return new URL(name === "" ? path : `${path}/${encodeURIComponent(name)}`, document.baseURI);
}

// ---- member count ----

let members = null;
let resyncTimer = 0;
let resyncNumber = 0;
let isResyncing = false;
let changedMeanwhile = false;

// Joins and leaves are counted here; the server is asked only now and then, or a room of
// thousands would ask all at once whenever one person comes.
function countMembers(change) {
  if (isResyncing) changedMeanwhile = true;
  if (members === null) return;
  members = Math.max(1, members + change);
  setMembers(members);
}

function scheduleResync(delay) {
  clearTimeout(resyncTimer);
  resyncTimer = setTimeout(resyncMembers, delay * (0.5 + Math.random()));
}

async function resyncMembers() {
  const number = ++resyncNumber;
  isResyncing = true;
  changedMeanwhile = false;
  let count = null;
  try {
    const answer = await fetch(address("rooms", room), { cache: "no-store" });
    if (answer.ok) count = (await answer.json()).members;
  } catch {
    // Asked again later, like after any other failure.
  }
  if (number !== resyncNumber) return;
  isResyncing = false;
  if (!isOnline()) return;
  if (!Number.isInteger(count)) {
    scheduleResync(RESYNC_RETRY_MS);
    return;
  }
  members = count;
  setMembers(count);
  // A join or leave during the question may or may not be in the answer.
  scheduleResync(changedMeanwhile ? RESYNC_SOON_MS : RESYNC_MS);
}

// ---- what arrives ----

function handleText(text) {
  if (text === "") {
    awaiting.shift();
    watchAnswers();
    return;
  }
  let message = null;
  try {
    message = JSON.parse(text);
  } catch {
    // Not JSON: shown as it is.
  }
  if (message !== null && typeof message === "object" && !Array.isArray(message)) {
    if (typeof message.event === "string" && handleEvent(message)) return;
    if (typeof message.text === "string") {
      const name = typeof message.name === "string" ? message.name.trim().slice(0, 64) : "";
      addMessage("other", name || "Anonymous", message.text);
      return;
    }
  }
  addMessage("other", "Raw message", text, "words raw");
}

function handleEvent(message) {
  const id = String(message.id ?? "").slice(0, 8);
  switch (message.event) {
    case "connect":
      addNotice(`${id} joined`);
      countMembers(1);
      return true;
    case "disconnect":
      addNotice(`${id} left`);
      countMembers(-1);
      return true;
    case "members":
      if (!Number.isInteger(message.count)) return false;
      members = message.count;
      setMembers(members);
      return true;
    case "gap":
      addNotice(`${Number(message.missed) || "Some"} messages were missed`);
      return true;
    default:
      return false;
  }
}

// ---- connection ----

let socket = null;
let attempts = 0;
let retryTimer = 0;
let retryAt = 0;
let connectWatch = null;
let stableTimer = 0;
let keepAliveTimer = 0;
let answerWatch = null;
let hasOpened = false;
// The server has said why it will not have this page, and waiting will not change that.
let isRefused = false;
// One item for each empty message that was not answered yet: the own message sent just before
// it, which its answer confirms, or null.
let awaiting = [];
let wasOnline = false;

function isOnline() {
  return socket !== null && socket.readyState === WebSocket.OPEN;
}

// Acts once the other side has been silent for so long, by a clock that stands still while this page
// could not have heard it: a page that was busy or asleep finds its timers and what came meanwhile
// due at once, in any order.
function whenSilent(duration, act) {
  const watch = { timer: 0 };
  let stepsLeft = Math.ceil(duration / SILENCE_STEP_MS);
  const step = () => {
    if (stepsLeft === 0) {
      act();
      return;
    }
    stepsLeft -= 1;
    watch.timer = setTimeout(step, SILENCE_STEP_MS);
  };
  step();
  return watch;
}

function connect() {
  clearTimeout(retryTimer);
  retryAt = 0;
  hasOpened = false;
  isRefused = false;
  element("refusal").hidden = true;
  element("empty").hidden = log.childElementCount > 0;
  setState("connecting", "Connecting…");
  const url = address("ws", room);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(url);
  socket = opened;
  connectWatch = whenSilent(CONNECT_TIMEOUT_MS, () => lose(opened));
  opened.addEventListener("open", () => {
    if (socket === opened) handleOpen();
  });
  opened.addEventListener("message", (event) => {
    if (socket !== opened) return;
    // Whatever comes is a sign of life; an answer may have to wait behind much else.
    if (awaiting.length > 0) watchAnswers();
    if (typeof event.data === "string") handleText(event.data);
    else addNotice(`A binary message of ${event.data.size} bytes`);
  });
  opened.addEventListener("close", (event) => lose(opened, event));
}

function handleOpen() {
  hasOpened = true;
  clearTimeout(connectWatch.timer);
  stableTimer = setTimeout(() => { attempts = 0; }, STABLE_MS);
  keepAliveTimer = setInterval(() => keepAlive(), KEEP_ALIVE_MS);
  setState("online", "Online");
  if (wasOnline) addNotice("Connected again; messages sent in between were missed");
  wasOnline = true;
  updateComposer();
  resyncMembers();
}

// Ends this connection, whether it closed or only went silent, and plans the next one. If it never
// opened, the server may have a reason that is worth hearing first.
async function lose(lost, event) {
  if (socket !== lost) return;
  socket = null;
  for (const watch of [connectWatch, answerWatch]) clearTimeout(watch?.timer);
  for (const timer of [stableTimer, resyncTimer]) clearTimeout(timer);
  clearInterval(keepAliveTimer);
  for (const entry of awaiting) entry?.append(textElement("span", "unsent", UNCONFIRMED));
  awaiting = [];
  // A close that the other side never answers must not hold up the next connection.
  lost.close();
  members = null;
  setMembers(null);
  const notice = CLOSE_NOTICES[event?.code];
  if (notice !== undefined) addNotice(notice);
  const ceiling = Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** attempts);
  attempts = Math.min(attempts + 1, ATTEMPTS_MAX);
  setState("offline", "Offline");
  updateComposer();
  if (event?.code === 1008) {
    refuse(event.reason || "The server does not allow what this page asked for.");
    return;
  }
  // Asked at the first failure and now and then, so that many pages don't knock twice as often at a
  // server that has too much to do.
  if (!hasOpened && (attempts % 4 === 1 || attempts === ATTEMPTS_MAX)) {
    const reason = await askForReason();
    // Somebody may have asked for the next connection meanwhile.
    if (socket !== null) return;
    if (reason !== null) {
      refuse(reason);
      return;
    }
  }
  // Full jitter: after a restart the pages must not all come back at the same moment.
  retryAt = Date.now() + Math.random() * ceiling;
  countDown();
}

// Why the server would not have this page, in a sentence, or null if it may have it later. Browsers
// do not tell a page what became of its handshake, but the address of the room answers OPTIONS.
async function askForReason() {
  if (room === "." || room === "..") return "No browser can ask for a room of this name.";
  try {
    const answer = await fetch(address("ws", room), {
      method: "OPTIONS", cache: "no-store", signal: AbortSignal.timeout(QUESTION_TIMEOUT_MS),
    });
    if (!FINAL_STATUSES.includes(answer.status)) return null;
    const isSentence = answer.headers.get("content-type")?.startsWith("text/plain");
    const sentence = isSentence ? (await answer.text()).trim().slice(0, 500) : "";
    return sentence || `The server refuses this page (status ${answer.status}).`;
  } catch {
    // Not there at all, or too busy to say.
    return null;
  }
}

function refuse(reason) {
  isRefused = true;
  clearTimeout(retryTimer);
  setState("offline", "Not connected");
  element("empty").hidden = true;
  element("refusal-text").textContent = reason;
  element("refusal").hidden = false;
}

function countDown() {
  clearTimeout(retryTimer);
  const left = retryAt - Date.now();
  if (left <= 0) {
    connect();
    return;
  }
  setState("offline", "Offline", `, retry in ${Math.ceil(left / 1000)} s`);
  retryTimer = setTimeout(countDown, Math.min(left, 250));
}

// The server answers an empty message with an empty one, after all that was sent before it.
function keepAlive(entry = null) {
  if (!isOnline()) return;
  socket.send("");
  awaiting.push(entry);
  if (awaiting.length === 1) watchAnswers();
}

function watchAnswers() {
  clearTimeout(answerWatch?.timer);
  const asked = socket;
  if (awaiting.length > 0) answerWatch = whenSilent(KEEP_ALIVE_ANSWER_MS, () => lose(asked));
}

window.addEventListener("online", () => {
  if (socket === null && !isRefused) connect();
});
window.addEventListener("offline", () => {
  if (socket !== null) lose(socket);
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  if (socket === null) {
    if (!isRefused) connect();
  } else if (isOnline()) {
    // Timers of a hidden page may have been held back: find out now whether it still lives.
    keepAlive();
    resyncMembers();
  }
});

// ---- composing ----

function readName() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}

function rememberName() {
  try {
    localStorage.setItem(NAME_KEY, nameField.value.trim());
  } catch {
    // A browser that forbids storage just forgets the name.
  }
}

function updateComposer() {
  const hasText = textField.value.trim() !== "";
  sendButton.disabled = !isOnline() || !hasText;
  const isWaiting = hasText && !isOnline();
  hint.textContent = isWaiting ? "Not sent yet: your text stays here until you are online." : HINT;
  hint.dataset.kind = isWaiting ? "warning" : "";
}

function fitText() {
  textField.style.height = "auto";
  textField.style.height = `${textField.scrollHeight + 2}px`;
}

function send() {
  const text = textField.value.trimEnd();
  if (text === "" || !isOnline()) {
    updateComposer();
    return;
  }
  if (socket.bufferedAmount > BUFFERED_MAX) {
    lose(socket);
    return;
  }
  const name = nameField.value.trim();
  socket.send(JSON.stringify({ name, text }));
  keepAlive(addMessage("own", name, text));
  textField.value = "";
  fitText();
  updateComposer();
}

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
  textField.focus();
});
textField.addEventListener("keydown", (event) => {
  // Enter that ends an input method's composition is not meant for the page.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
});
textField.addEventListener("input", () => {
  fitText();
  updateComposer();
});
nameField.addEventListener("input", rememberName);
nameField.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    textField.focus();
  }
});
element("again").addEventListener("click", () => {
  attempts = 0;
  connect();
  textField.focus();
});
newer.addEventListener("click", () => {
  scrollToBottom();
  textField.focus();
});
scroller.addEventListener("scroll", () => {
  isFollowing = isAtBottom();
  if (isFollowing) newer.hidden = true;
});
// The composer grows with its text and a phone's keyboard takes half the screen.
new ResizeObserver(() => {
  if (isFollowing) scrollToBottom();
}).observe(scroller);

nameField.value = readName();
if (room !== "") {
  element("room").textContent = room;
  document.title = `${room} – Fanring chat`;
}
(nameField.value === "" ? nameField : textField).focus();
connect();

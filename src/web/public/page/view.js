// What the chat page's room looks like: entries, figures, the state of the connection. It says nothing
// to the server; app.js does, and uses what stands here.
"use strict";

const ENTRIES_MAX = 1000;
// Messages of one author within this time share one heading.
const GROUP_MS = 5 * 60_000;

const element = (id) => document.getElementById(id);
const log = element("log");
const scroller = element("scroller");
const newer = element("newer");
const state = element("state");

let lastEntry = { kind: "", author: "", time: 0 };

function timeElement(date) {
  const time = document.createElement("time");
  time.dateTime = date.toISOString();
  time.textContent = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  time.title = date.toLocaleString();
  return time;
}

function textElement(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

// Whether new messages pull the view along; scrolling up ends it, scrolling down begins it.
let isFollowing = true;

function isAtBottom() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
}

function scrollToBottom() {
  scroller.scrollTop = scroller.scrollHeight;
  isFollowing = true;
  newer.hidden = true;
}

function append(entry, kind, author) {
  const follow = isFollowing || kind === "own";
  const now = Date.now();
  const sameAuthor = lastEntry.kind === kind && lastEntry.author === author;
  const isFirst = !sameAuthor || now - lastEntry.time > GROUP_MS;
  lastEntry = { kind, author, time: now };
  entry.dataset.kind = kind;
  entry.classList.toggle("first", isFirst);
  if (isFirst && kind === "other") entry.prepend(textElement("p", "author", author));
  element("empty").hidden = true;
  log.append(entry);
  while (log.childElementCount > ENTRIES_MAX) log.firstElementChild.remove();
  if (follow) scrollToBottom();
  else newer.hidden = false;
  return entry;
}

function addMessage(kind, author, text, className = "words") {
  const entry = document.createElement("li");
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  bubble.append(textElement("span", className, text), timeElement(new Date()));
  if (kind === "own") entry.append(textElement("span", "hidden", "You: "));
  entry.append(bubble);
  return append(entry, kind, author);
}

function addNotice(text) {
  const entry = document.createElement("li");
  entry.append(text, timeElement(new Date()));
  append(entry, "notice", "");
}

function setMembers(count) {
  element("members").textContent = count === null ? "–" : String(count);
}

function setState(name, word, detail = "") {
  state.dataset.state = name;
  // A status that is written again is read aloud again, so the countdown is kept apart.
  const status = element("state-word");
  if (status.textContent !== word) status.textContent = word;
  element("state-detail").textContent = detail;
}

// @ts-check
// The page's one socket: opened for the view named on <body>, opened again after any loss, put down while nobody looks.

const RETRY_FIRST_MS = 250, RETRY_MAX_MS = 10_000;
/** A loss shorter than this is not worth a word. */
const QUIET_LOSS_MS = 1200;
/** A page in the background keeps its socket this long. */
const HIDDEN_MAX_MS = 5 * 60_000;
const PROBE_EVERY_MS = 30_000, PROBE_WAIT_MS = 5000;
const CLOSE_RELOAD = 4000, CLOSE_LOGIN = 4001;

/** What the server says of the page's view, and what is said of its socket. */
const facts = document.body.dataset;
const view = facts.liveView;
let cursor = facts.liveCursor ?? null;
/** @type {WebSocket|null} */
let socket = null;
let attempt = 0, retryTimer = 0, wordTimer = 0, hideTimer = 0, probeTimer = 0, deadTimer = 0;

/** "up", "lost" or "resting": the stylesheet and the composer read it from <body data-link>. @param {string} state */
const tellLink = (state) => {
  if (facts.link === state) return;
  facts.link = state;
  document.dispatchEvent(new CustomEvent("nexus:link", { detail: state }));
  clearTimeout(wordTimer);
  const line = byId("connection");
  if (!line) return;
  if (state !== "lost") line.hidden = true;
  else wordTimer = setTimeout(() => {
    line.textContent = navigator.onLine
      ? "The connection is lost. This page tries again by itself; what you typed is kept."
      : "This device is offline. The page comes back by itself; what you typed is kept.";
    line.hidden = false;
  }, QUIET_LOSS_MS);
};

const closeSocket = () => {
  for (const timer of [retryTimer, probeTimer, deadTimer]) clearTimeout(timer);
  const old = socket;
  socket = null;
  old?.close();
};

const probe = () => {
  clearTimeout(probeTimer);
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send("?");
  clearTimeout(deadTimer);
  deadTimer = setTimeout(() => {
    closeSocket();
    connect();
  }, PROBE_WAIT_MS);
};

/** A refused handshake says nothing to a script; an ordinary request tells a lost session from a lost network. */
const checkSession = async () => {
  try {
    const answer = await fetch("/api/status", { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(5000) });
    if (answer.status === 401) location.reload();
  } catch {
    // No answer at all: the network or the agent is away, and the next attempt is on its way.
  }
};

const retry = () => {
  clearTimeout(retryTimer);
  tellLink("lost");
  const wait = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** attempt++) * (0.5 + Math.random() / 2);
  retryTimer = setTimeout(connect, wait);
};

const connect = () => {
  if (view === undefined || socket) return;
  clearTimeout(retryTimer);
  const address = new URL("/live", location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.searchParams.set("view", view);
  address.searchParams.set("key", facts.liveKey ?? "");
  if (cursor !== null) address.searchParams.set("cursor", cursor);
  const mine = new WebSocket(address);
  socket = mine;
  let opened = false;
  mine.onopen = () => {
    opened = true;
    probeTimer = setTimeout(probe, PROBE_EVERY_MS);
  };
  mine.onmessage = ({ data }) => {
    if (mine !== socket) return;
    clearTimeout(deadTimer);
    clearTimeout(probeTimer);
    probeTimer = setTimeout(probe, PROBE_EVERY_MS);
    attempt = 0;
    tellLink("up");
    const frame = JSON.parse(data);
    applyAll(frame.p);
    if (frame.c !== undefined) cursor = frame.c;
  };
  mine.onclose = ({ code }) => {
    if (mine !== socket) return;
    closeSocket();
    if (code === CLOSE_RELOAD || code === CLOSE_LOGIN) return location.reload();
    if (!opened) checkSession();
    retry();
  };
};

const rest = () => {
  closeSocket();
  tellLink("resting");
};

const wake = () => {
  clearTimeout(hideTimer);
  if (document.hidden) return;
  if (socket) return probe();
  attempt = 0;
  connect();
};

if (view !== undefined) {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) hideTimer = setTimeout(rest, HIDDEN_MAX_MS);
    else wake();
  });
  addEventListener("pagehide", rest);
  addEventListener("pageshow", wake);
  addEventListener("online", wake);
  addEventListener("offline", () => {
    if (facts.link !== "resting") tellLink("lost");
  });
  connect();
}

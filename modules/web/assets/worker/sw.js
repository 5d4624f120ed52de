// @ts-check
// The one service worker. It keeps the page's shell, and shows it when the machine cannot be reached; it keeps no
// conversation and changes no answer. And it shows what this device is told while no page is open.

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

/** Filled in by build.rs: what the shell is made of, all of it public. @type {string[]} */
const shell = ["SHELL"];
/** Another shell, another name. */
const held = `shell ${shell.join(" ")}`;
const page = "/offline";

/** What Cloudflare answers in place of a machine it does not reach. */
const unreached = [502, 521, 522, 523, 524, 530];

worker.addEventListener("install", (event) => {
  const kept = caches.open(held).then((cache) => cache.addAll([page, ...shell]));
  event.waitUntil(kept.then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  const former = caches.keys().then((names) => names.filter((other) => other !== held));
  const forgotten = former.then((names) => Promise.all(names.map((other) => caches.delete(other))));
  // The page that brought it is led by it too.
  event.waitUntil(forgotten.then(() => worker.clients.claim()));
});

const offline = async () => (await caches.match(page)) ?? Response.error();

/** @param {Request} request */
const visit = async (request) => {
  try {
    const answer = await fetch(request);
    return unreached.includes(answer.status) ? offline() : answer;
  } catch {
    return offline();
  }
};

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.mode === "navigate" && request.method === "GET") event.respondWith(visit(request));
  else if (shell.includes(new URL(request.url).pathname)) {
    event.respondWith(caches.match(request).then((found) => found ?? fetch(request)));
  }
});

/** @typedef {{title: string, body: string, tag: string, page: string, buttons: {press: string, label: string}[]}} Message */

/** @param {Message} message */
const tell = ({ title, body, tag, page, buttons }) => {
  const actions = buttons.map(({ press, label }) => ({ action: press, title: label }));
  // A newer one in place of an older one is heard again.
  const options = { body, tag, renotify: true, data: page, actions, icon: "ICON", badge: "ICON" };
  return worker.registration.showNotification(title, options);
};

worker.addEventListener("push", (event) => {
  if (event.data) event.waitUntil(tell(event.data.json()));
});

/**
 * Shows a page where one is open already, or in a new window. Where the machine is elsewhere by now, what is open here
 * leads nowhere.
 * @param {string} page
 */
const look = async (page) => {
  if (page.startsWith("https://")) return worker.clients.openWindow(page);
  const [open] = await worker.clients.matchAll({ type: "window" });
  if (!open) return worker.clients.openWindow(page);
  await open.focus();
  return open.navigate(page);
};

/** Answers from a notice; only what went otherwise than wished is said. @param {string} press @param {Notification} notice */
const answer = async (press, { title, tag, data }) => {
  let said = "That did not reach your machine. Open it to answer there.";
  try {
    const told = await fetch("/notices/press", { method: "POST", body: new URLSearchParams({ press }) });
    if (told.status === 204) return;
    // Whoever stands in between answers with pages of their own.
    if (told.headers.get("content-type")?.startsWith("text/plain")) said = await told.text();
  } catch {}
  await tell({ title, body: said, tag, page: data, buttons: [] });
};

worker.addEventListener("notificationclick", (event) => {
  const { action, notification } = event;
  notification.close();
  event.waitUntil(action ? answer(action, notification) : look(notification.data));
});

/** Has this browser's push service carry what is told to it, and says so at the machine. @param {BufferSource|string} key */
const subscribe = async (key) => {
  const { pushManager } = worker.registration;
  // One made with another key stands in the way of a new one.
  await (await pushManager.getSubscription())?.unsubscribe();
  const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  const headers = { "content-type": "application/json" };
  const kept = await fetch("/notices/push", { method: "POST", headers, body: JSON.stringify(subscription) });
  if (!kept.ok) throw new Error(await kept.text());
};

/** The page's button was pressed; only a page can ask for leave, which it has done. @param {string} key */
const turnOn = async (key) => {
  if (!worker.registration.pushManager) return "unable";
  return subscribe(key).then(() => "", (error) => (error.name === "NotAllowedError" ? "denied" : "failed"));
};

worker.addEventListener("message", (event) => {
  const page = /** @type {WindowClient} */ (event.source);
  const done = turnOn(event.data).then((problem) => page.navigate(problem ? `/notices?problem=${problem}` : "/notices"));
  event.waitUntil(done);
});

worker.addEventListener("pushsubscriptionchange", (event) => {
  const key = event.oldSubscription?.options.applicationServerKey;
  if (key) event.waitUntil(subscribe(key));
});

// @ts-check
// The one service worker. It keeps the page's shell, and shows it when the machine cannot be reached; it keeps no
// conversation and changes no answer.

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
  event.waitUntil(former.then((names) => Promise.all(names.map((other) => caches.delete(other)))));
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

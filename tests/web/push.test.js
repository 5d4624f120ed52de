// A phone in a pocket: told through its browser's push service, sealed, and answered from the notice.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { assertUsable, enter, launch, open, picture } from "./lib/browser.js";
import { Edge } from "./lib/edge.js";
import { PushService, Subscription } from "./lib/push.js";
import { begin, finished, say } from "./lib/talk.js";

/** @type {Model} */
let model;
/** @type {Edge} */
let edge;
/** @type {PushService} */
let service;
/** @type {Agent} */
let agent;
/** @type {import("playwright-core").Browser} */
let world;

before(async () => {
  [model, edge, service] = await Promise.all([Model.start(), Edge.start(), PushService.start()]);
  agent = await Agent.start({ model, settings: `${edge.settings()}[secrets]\nfile = true\n`, env: service.env() });
  world = await edge.browser();
  await agent.healthy();
  await agent.nexusWithInput("seven quiet otters paint the harbour\n", "password", "set", "--stdin");
});
after(async () => {
  await world?.close();
  await agent?.stop();
  await Promise.all([service?.stop(), edge?.stop(), model?.stop()]);
});

/** @typedef {import("playwright-core").Worker} Worker */

/** Has opencode work at the machine while nobody looks. @param {string} prompt */
async function work(prompt) {
  const token = /nexus_\S+/.exec(await agent.nexus("devices", "token", "script"))?.[0];
  /** @param {string} path @param {object} body */
  const post = async (path, body) => {
    const answer = await fetch(`${agent.base}/api/opencode${path}?directory=${encodeURIComponent(agent.project)}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer;
  };
  const { id } = await (await post("/session", { title: "Salaries" })).json();
  await post(`/session/${id}/prompt_async`, { parts: [{ type: "text", text: prompt }] });
  return id;
}

test("a phone in a pocket hears who waits, and answers once", async () => {
  await agent.nexus("tunnel", "start");
  const base = await agent.nexus("tunnel", "url");
  const link = (await agent.nexus("devices", "pair")).split("\n")[0] ?? "";
  const { page, context, errors } = await open(world, { base, size: "phone", scheme: "dark" });
  await context.grantPermissions(["notifications"], { origin: base });
  await page.goto(link);
  await page.getByLabel("What this device is called").fill("Ada's phone");
  await page.getByRole("button", { name: "Pair" }).click();
  await page.waitForURL("**/chat");

  // Subscribed through the page; the vendor's own part, which is out of reach, is played.
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("link", { name: "Notices" }).click();
  await page.getByRole("button", { name: "Turn on" }).waitFor();
  await assertUsable(page);
  await picture(page, "notices-off");
  const key = (await page.locator("[data-push]").getAttribute("data-push")) ?? "";
  await page.evaluate(async () => void (await navigator.serviceWorker.ready));
  const worker = /** @type {Worker} */ (await until("the service worker", () => context.serviceWorkers()[0]));
  const subscription = new Subscription(service, "ada");
  await worker.evaluate((given) => {
    const wanted = /** @type {any} */ ({});
    const scope = /** @type {any} */ (self);
    Object.assign(scope, { wanted, shown: 0 });
    const show = scope.registration.showNotification.bind(scope.registration);
    scope.registration.showNotification = async (/** @type {any[]} */ ...words) => {
      await show(...words);
      scope.shown += 1;
    };
    PushManager.prototype.subscribe = async (/** @type {any} */ options) => {
      Object.assign(wanted, options);
      return /** @type {any} */ ({ toJSON: () => given });
    };
  }, subscription.toJSON());
  await page.getByRole("button", { name: "Turn on" }).click();
  await page.getByRole("heading", { name: "This device is notified" }).waitFor();
  const wanted = await worker.evaluate(() => /** @type {any} */ (self).wanted);
  assert.deepEqual(wanted, { userVisibleOnly: true, applicationServerKey: key });
  await assertUsable(page);
  await picture(page, "notices-on");

  // Tried out: the browser's own tools hand the message to the real worker, which shows it.
  const devtools = await context.newCDPSession(page);
  /** @type {Promise<string>} */
  const registration = new Promise((resolve) => {
    devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [first] }) => first && resolve(first.registrationId));
  });
  await devtools.send("ServiceWorker.enable");
  const registrationId = await registration;
  /** @param {object} message */
  const deliver = (message) =>
    devtools.send("ServiceWorker.deliverPushMessage", { origin: base, registrationId, data: JSON.stringify(message) });
  let told = 0;
  /** What is shown once one more is, by its tag. Asked for only then: whoever asks while one is about to be shown loses it. @param {string} tag */
  const shown = async (tag) => {
    told += 1;
    await until("one more notice", async () => (await worker.evaluate(() => /** @type {any} */ (self).shown)) >= told);
    return page.evaluate(async (tag) => {
      const [notice] = /** @type {any[]} */ (await (await navigator.serviceWorker.ready).getNotifications({ tag }));
      const { title, body, actions } = notice;
      return { title, body, actions: actions.map((/** @type {any} */ { title }) => title) };
    }, tag);
  };
  await page.getByRole("button", { name: "Try it" }).click();
  const trial = subscription.open(await service.take(1), key);
  await deliver(trial);
  assert.deepEqual(await shown("trial"), { title: "This is how it looks", body: trial.body, actions: [] });

  // Without details there is no word of the conversation, and nothing to answer blindly.
  await page.goto("/notices");
  const order = (/** @type {string} */ file) => `[[tool:bash {"command":"echo paid >> ${file}","description":"Pays"}]] [[text:done]]`;
  await work(order("first.txt"));
  const brief = subscription.open(await service.take(2), key);
  assert.equal(brief.title, "A session waits for you");
  assert.deepEqual(brief.buttons, []);
  assert.doesNotMatch(JSON.stringify(brief), /alaries|paid|first/);
  assert.match(brief.page, /^\/chat\/ses_/);

  // With them it can be answered, once.
  await agent.nexus("settings", "set", "notices.away_details", "true");
  await work(order("second.txt"));
  const whole = subscription.open(await service.take(3), key);
  assert.match(whole.body, /echo paid >> second\.txt/);
  await deliver(whole);
  assert.deepEqual((await shown(whole.tag)).actions, ["Allow once", "Reject"]);
  const press = (/** @type {import("./lib/push.js").Message} */ { tag, buttons }) =>
    worker.evaluate(async ([tag, action]) => {
      const scope = /** @type {any} */ (self);
      const [notification] = await scope.registration.getNotifications({ tag });
      scope.dispatchEvent(new scope.NotificationEvent("notificationclick", { action, notification }));
    }, /** @type {const} */ ([tag, buttons[0]?.press ?? ""]));
  await press(whole);
  await until("the order to be carried out", () => existsSync(join(agent.project, "second.txt")));
  assert.ok(!existsSync(join(agent.project, "first.txt")));
  const done = subscription.open(await service.take(4), key);
  assert.equal(done.title, "Salaries is done");

  // Late, on another device: shown there still, pressed there too.
  const elsewhere = { ...whole, tag: "elsewhere" };
  await deliver(elsewhere);
  assert.deepEqual((await shown(elsewhere.tag)).actions, ["Allow once", "Reject"]);
  await press(elsewhere);
  assert.deepEqual(await shown(elsewhere.tag), {
    title: whole.title,
    body: "It is answered already, or no longer asked for.",
    actions: [],
  });
  assert.deepEqual(errors, []);

  // Revoked: the next message finds nobody.
  const devices = JSON.parse(await agent.nexus("devices", "list", "--json"));
  await agent.nexus("devices", "revoke", devices.find((/** @type {any} */ device) => device.device === "Ada's phone").id);
  await page.waitForURL("**/login**");
});

test("a phone is sent after its machine when that moves, and is in with one press", async () => {
  const former = await agent.nexus("tunnel", "url");
  const { page, context } = await open(world, { base: former, size: "phone", scheme: "dark" });
  await context.grantPermissions(["notifications"], { origin: former });
  const pair = async (/** @type {string} */ link) => {
    await page.goto(link);
    await page.getByLabel("What this device is called").fill("Bob's phone");
    await page.getByRole("button", { name: "Pair" }).click();
    await page.waitForURL("**/chat");
  };
  await pair((await agent.nexus("devices", "pair")).split("\n")[0] ?? "");
  await page.goto("/notices");
  const key = (await page.locator("[data-push]").getAttribute("data-push")) ?? "";
  const subscription = new Subscription(service, "bob");
  const kept = await page.evaluate(async (given) => {
    await navigator.serviceWorker.ready;
    const headers = { "content-type": "application/json" };
    return (await fetch("/notices/push", { method: "POST", headers, body: JSON.stringify(given) })).status;
  }, subscription.toJSON());
  assert.equal(kept, 204);
  const sent = service.pushed.length;
  const worker = /** @type {Worker} */ (await until("the service worker", () => context.serviceWorkers()[0]));

  // Nothing is sent unless its owner wants it.
  await agent.nexus("tunnel", "restart");
  const between = await agent.nexus("tunnel", "url");
  await until("the address to be told here", async () => (await agent.nexus("notices", "list")).includes(between));
  await agent.nexus("settings", "set", "notices.away_address", "true");
  await agent.nexus("tunnel", "restart");
  const base = await agent.nexus("tunnel", "url");
  const told = subscription.open(await service.take(sent + 1), key);
  assert.deepEqual([told.title, told.tag, told.buttons], ["This machine has a new address", "tunnel", []]);
  assert.ok(told.page.startsWith(`${base}/pair?code=`), told.page);
  const audit = await until("the line of the audit log", async () => {
    const lines = await agent.nexus("devices", "audit", "--json");
    return lines.includes("new_address_sent") && lines;
  });
  assert.ok(!audit.includes(told.page.split("code=")[1] ?? "?"));

  // The worker of the former address leads there.
  await worker.evaluate(() => {
    const scope = /** @type {any} */ (self);
    Object.assign(scope, { shown: 0, opened: [] });
    const show = scope.registration.showNotification.bind(scope.registration);
    scope.registration.showNotification = async (/** @type {any[]} */ ...words) => {
      await show(...words);
      scope.shown += 1;
    };
    scope.clients.openWindow = async (/** @type {string} */ url) => void scope.opened.push(url);
  });
  const devtools = await context.newCDPSession(page);
  /** @type {Promise<string>} */
  const registration = new Promise((resolve) => {
    devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations: [first] }) => first && resolve(first.registrationId));
  });
  await devtools.send("ServiceWorker.enable");
  await devtools.send("ServiceWorker.deliverPushMessage", { origin: former, registrationId: await registration, data: JSON.stringify(told) });
  await until("it to be shown", async () => (await worker.evaluate(() => /** @type {any} */ (self).shown)) === 1);
  const opened = await worker.evaluate(async (tag) => {
    const scope = /** @type {any} */ (self);
    const [notification] = await scope.registration.getNotifications({ tag });
    scope.dispatchEvent(new scope.NotificationEvent("notificationclick", { action: "", notification }));
    return scope.opened;
  }, told.tag);
  assert.deepEqual(opened, [told.page]);

  // In place of the device that was there, and once.
  await pair(told.page);
  const devices = JSON.parse(await agent.nexus("devices", "list", "--json"));
  assert.equal(devices.filter((/** @type {any} */ { device }) => device === "Bob's phone").length, 1);
  await page.goto(told.page);
  await page.getByRole("button", { name: "Pair" }).click();
  await page.getByRole("heading", { name: "This code does not work any more" }).waitFor();
});

test("a question that was looked at and left is told where its owner is now", async () => {
  const here = await launch();
  try {
    const { page } = await open(here, { base: agent.base });
    await enter(page, agent);
    // The page of a session that has just been made may come after its first question.
    const path = await begin(page, "Hello [[text:hello]]");
    await finished(page);
    await say(page, 'Do it [[tool:bash {"command":"echo left","description":"Says"}]] [[text:done]]');
    await page.getByRole("button", { name: "Allow once" }).waitFor();
    /** Whether it is told that the session waits. */
    const told = async () => {
      const rows = JSON.parse(await agent.nexus("notices", "list", "--json"));
      return rows.some((/** @type {any} */ { page, title }) => page === path && title.endsWith("waits for you"));
    };
    assert.equal(await told(), false);

    await page.goto("/logs");

    await until("it to be told", told);
  } finally {
    await here.close();
  }
});

// A phone far away: real browser, public name, TLS, Cloudflare's edge, cloudflared, the tunnel's listener, real opencode.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { assertUsable, enter, launch, open, picture } from "./lib/browser.js";
import { Edge } from "./lib/edge.js";
import { begin, finished, say } from "./lib/talk.js";

const password = "seven quiet otters paint the harbour";
/** How much later the first words of an answer may come than at the machine. */
const added_ms_max = 100;
const asleep_ms = 60_000;
/** How soon a revoked device sees nothing more. */
const revoked_ms_max = 1000;

/** @type {Model} */
let model;
/** @type {Edge} */
let edge;
/** @type {Agent} */
let agent;
/** @type {import("playwright-core").Browser} */
let world;
/** @type {import("playwright-core").Browser} */
let here;

before(async () => {
  model = await Model.start();
  edge = await Edge.start();
  agent = await Agent.start({ model, settings: edge.settings() });
  world = await edge.browser();
  here = await launch();
  await agent.healthy();
  await agent.nexusWithInput(`${password}\n`, "password", "set", "--stdin");
});
after(async () => {
  await world?.close();
  await here?.close();
  await agent?.stop();
  await edge?.stop();
  await model?.stop();
});

/** @typedef {import("playwright-core").Page} Page */

/** Has remote access on and gives the address. */
async function address() {
  await agent.nexus("tunnel", "start");
  return agent.nexus("tunnel", "url");
}

/** A phone that has scanned a code. @param {string} base @param {string} name */
async function phone(base, name) {
  const link = (await agent.nexus("devices", "pair")).split("\n")[0] ?? "";
  assert.ok(link.startsWith(`${base}/pair?code=`), link);
  const visit = await open(world, { base, size: "phone", scheme: "dark" });
  await visit.page.goto(link);
  await assertUsable(visit.page);
  await picture(visit.page, "pair");
  await visit.page.getByLabel("What this device is called").fill(name);
  await visit.page.getByRole("button", { name: "Pair" }).click();
  await visit.page.waitForURL("**/chat");
  return visit;
}

/** When the words of an answer began to be there, by the page's own eyes. @param {Page} page */
const firstWords = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        const look = () => {
          const words = document.querySelector(".turn:last-child > .prose")?.textContent?.trim();
          if (words) resolve(Date.now());
          return Boolean(words);
        };
        if (!look()) {
          const eyes = new MutationObserver(() => look() && eyes.disconnect());
          eyes.observe(document.body, { subtree: true, childList: true, characterData: true });
        }
      }),
  );

test("a phone that scanned a code chats live, answers a permission, sleeps and is revoked", async (t) => {
  const base = await address();
  const { page, errors } = await phone(base, "Ada's phone");

  // Live: the same session on the phone and at the machine.
  const path = await begin(page, "Hello [[text:hello]]");
  await finished(page);
  const { page: desk } = await open(here, { base: agent.base });
  await enter(desk, agent, path);
  /** @type {number[]} */
  const added = [];
  for (let turn = 2; turn <= 4; turn += 1) {
    await say(page, "Go on [[tokens:60]] [[rate:60]]");
    const asked = (/** @type {Page} */ where) => where.waitForFunction((count) => document.querySelectorAll(".turn").length >= count, turn);
    await Promise.all([asked(page), asked(desk)]);
    const [far, near] = await Promise.all([firstWords(page), firstWords(desk)]);
    added.push(/** @type {number} */ (far) - /** @type {number} */ (near));
    await finished(page, turn);
  }
  added.sort((one, other) => one - other);
  t.diagnostic(`first words on the phone ${added.join(", ")} ms after those at the machine`);
  assert.ok((added[1] ?? Infinity) <= added_ms_max, `${added} ms`);

  // A permission, answered on the phone.
  await say(page, 'Do it [[tool:bash {"command":"echo from-afar > told.txt","description":"Tells"}]] [[text:done]]');
  await page.getByRole("button", { name: "Allow once" }).click();
  await finished(page, 5);
  await assertUsable(page);
  await picture(page, "phone");

  // Asleep while an answer is written: nothing of it is missing afterwards.
  await say(page, "Write [[tokens:400]] [[rate:40]]");
  await firstWords(page);
  const life = await page.context().newCDPSession(page);
  await life.send("Page.setWebLifecycleState", { state: "frozen" });
  await finished(desk, 6);
  await new Promise((resolve) => setTimeout(resolve, asleep_ms));
  await life.send("Page.setWebLifecycleState", { state: "active" });
  await finished(page, 6);
  const words = (/** @type {Page} */ where) => where.locator(".turn").last().innerText();
  assert.equal(await words(page), await words(desk));

  // Revoked.
  const devices = JSON.parse(await agent.nexus("devices", "list", "--json"));
  const { id } = devices.find((/** @type {any} */ device) => device.device === "Ada's phone");
  assert.deepEqual(errors, []);
  const since = Date.now();
  await Promise.all([page.waitForURL("**/login**"), agent.nexus("devices", "revoke", id)]);
  const took = Date.now() - since;
  t.diagnostic(`the login ${took} ms after the command`);
  assert.ok(took <= revoked_ms_max, `${took} ms`);
  assert.equal(await page.evaluate(async () => (await fetch("/chat")).status), 401);
});

test("the page can be installed, and says so when the machine is out of reach", async () => {
  const base = await address();
  const { page, context } = await phone(base, "Ada's other phone");
  const shell = await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    const held = [];
    for (const name of await caches.keys()) {
      for (const request of await (await caches.open(name)).keys()) held.push(new URL(request.url).pathname);
    }
    return held;
  });
  // The shell and nothing of a conversation.
  assert.ok(shell.includes("/offline") && shell.length === 5, `${shell}`);
  assert.ok(shell.every((path) => path === "/offline" || path.startsWith("/assets/")), `${shell}`);
  const devtools = await context.newCDPSession(page);
  const manifest = await devtools.send("Page.getAppManifest");
  assert.deepEqual(manifest.errors, []);
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  // A window that leaves nothing behind cannot install anything; else nothing is in the way.
  assert.deepEqual(
    installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito"),
    [],
  );

  await agent.nexus("tunnel", "stop");
  await page.goto("/");
  await page.getByText("Your machine cannot be reached").waitFor();
  await assertUsable(page);
  await picture(page, "out-of-reach");
  await context.setOffline(true);
  await page.reload();
  await page.getByText("Your machine cannot be reached").waitFor();
});

test("a new address is announced at the machine, and the old one leads nowhere", async () => {
  const former = await address();
  const { page: desk } = await open(here, { base: agent.base });
  await enter(desk, agent, "/notices");

  await agent.nexus("tunnel", "restart");

  const url = await until("the notice of a new address", async () => {
    const { tunnel } = (await agent.status()).modules;
    const is_new = tunnel.state === "connected" && tunnel.public_url !== former;
    return is_new && (await desk.getByText(tunnel.public_url).first().isVisible()) ? tunnel.public_url : undefined;
  });
  const { page } = await phone(url, "Ada's phone again");
  await begin(page, "Here again [[text:hello again]]");
  await finished(page);
  const answer = await page.goto(`${former}/healthz`);
  assert.equal(answer?.status(), 530);
});

test("who knows the password and no code stays outside while a second factor is on", async () => {
  await agent.nexus("settings", "set", "secrets.file", "true");
  const base = await address();
  const { page: desk } = await open(here, { base: agent.base });
  await enter(desk, agent, "/devices");
  const { page } = await open(world, { base, size: "phone" });
  await page.goto("/chat");
  assert.equal(await page.getByLabel("Code", { exact: true }).count(), 0);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL("**/chat");
  await page.evaluate(async () => (await fetch("/logout", { method: "POST" })).status);

  await desk.getByRole("button", { name: "Set up" }).click();
  await assertUsable(desk);
  await desk.getByText("No camera at hand").click();
  const seed = ((await desk.locator(".link code").textContent()) ?? "").replaceAll(" ", "");
  await desk.getByLabel("Code", { exact: true }).fill(totp(seed));
  await desk.getByRole("button", { name: "Switch on" }).click();
  await assertUsable(desk);
  const recovery = (await desk.locator(".recovery code").first().textContent()) ?? "";

  await page.goto("/chat");
  await assertUsable(page);
  await page.getByLabel("Password").fill(password);
  await page.getByLabel("Code", { exact: true }).fill("000000");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("The password or the code is wrong.").waitFor();
  await picture(page, "code");
  await page.getByLabel("Password").fill(password);
  await page.getByLabel("Code", { exact: true }).fill(recovery);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL("**/chat");
});

test("with opencode down the phone sees why, and starts it again", async () => {
  const base = await address();
  const { page } = await phone(base, "Ada's tablet");
  await agent.nexus("server", "stop");

  const outage = page.locator("#outage");
  await outage.getByText(/it is stopped/).waitFor();
  await outage.getByRole("button", { name: "Start opencode" }).click();

  await outage.getByText(/cannot be reached/).waitFor({ state: "hidden" });
  await agent.healthy();
  await begin(page, "Back [[text:and well]]");
  await finished(page);
});

/** The code an authenticator app shows now for a secret in base32. @param {string} secret */
function totp(secret) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => letters.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac("sha1", key).update(counter).digest();
  const number = digest.readUInt32BE((digest[19] ?? 0) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

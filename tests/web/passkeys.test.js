// A phone enters with its fingerprint: a real browser with an authenticator, under a public name that stays.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { assertUsable, launch, enter, open, picture } from "./lib/browser.js";
import { Edge } from "./lib/edge.js";

const password = "seven quiet otters paint the harbour";
const host = "nexus.example.com";

/** @type {Model} */
let model;
/** @type {Edge} */
let edge;
/** @type {Agent} */
let agent;
/** @type {import("playwright-core").Browser} */
let world;

before(async () => {
  model = await Model.start();
  edge = await Edge.start();
  agent = await Agent.start({ model, settings: edge.settings() });
  world = await edge.browser();
  await agent.healthy();
  await agent.nexusWithInput(`${password}\n`, "password", "set", "--stdin");
  const made = await fetch(`${edge.addresses.control}/tunnels`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ hosts: [host] }) });
  const { a, s, t } = JSON.parse(Buffer.from((await made.json()).token, "base64").toString());
  const file = join(agent.home, "nexus.json");
  writeFileSync(file, JSON.stringify({ AccountTag: a, TunnelSecret: s, TunnelID: t, Endpoint: "" }));
  for (const [key, value] of Object.entries({ mode: "local", public_host: host, tunnel_id: t, credentials: file })) {
    await agent.nexus("settings", "set", `tunnel.${key}`, value);
  }
  await agent.nexus("tunnel", "start");
  assert.equal(await agent.nexus("tunnel", "url"), `https://${host}`);
});
after(async () => {
  await world?.close();
  await agent?.stop();
  await edge?.stop();
  await model?.stop();
});

/**
 * Gives a page's browser an authenticator of its own, e.g. a fingerprint reader, and a way to have its owner there or not.
 * @param {import("playwright-core").Page} page
 */
async function authenticator(page) {
  const tools = await page.context().newCDPSession(page);
  await tools.send("WebAuthn.enable");
  const { authenticatorId } = await tools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return {
    /** @param {boolean} isUserVerified */
    known: (isUserVerified) => tools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
    credentials: async () => (await tools.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
  };
}

test("a phone adds a passkey, enters with it, and no more once it is removed at the machine", async () => {
  const { page, errors } = await open(world, { base: `https://${host}`, size: "phone", scheme: "dark" });
  const finger = await authenticator(page);
  await page.goto("/login?next=%2Fchat");
  assert.equal(await page.getByRole("button", { name: "Log in with a passkey" }).count(), 0);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await page.waitForURL("**/chat");

  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("link", { name: "Passkeys" }).click();
  await page.getByRole("heading", { name: "Passkeys", exact: true }).waitFor();
  assert.equal(await page.getByText("This browser makes no passkeys").isVisible(), false);
  await picture(page, "passkeys-none");
  await page.getByLabel("What this passkey is called").fill("Ada's phone");
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByText("Ada's phone").waitFor();
  await assertUsable(page);
  await picture(page, "passkeys");
  const [made] = await finger.credentials();
  assert.equal(made?.rpId, host);

  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  const button = page.getByRole("button", { name: "Log in with a passkey" });
  await button.waitFor();
  await assertUsable(page);
  await picture(page, "login");
  // A finger that it does not know.
  await finger.known(false);
  await button.click();
  await page.getByText("No passkey came of that").waitFor();
  await finger.known(true);
  await page.goto("/login?next=%2Fchat");
  await button.click();
  await page.waitForURL("**/chat");
  const devices = await agent.nexus("devices", "list");
  assert.match(devices, /tunnel/);

  // Removed at the machine.
  const here = await launch();
  const { page: desk } = await open(here, { base: agent.base });
  await enter(desk, agent, "/devices");
  await picture(desk, "devices");
  await desk.getByRole("button", { name: "Remove Ada's phone" }).click();
  await desk.getByText("None yet.").waitFor();
  await here.close();
  assert.match(await agent.nexus("devices", "passkeys"), /^$/);
  // Whoever holds it may have been in: what it opened is over.
  await page.getByLabel("Password").waitFor();
  await until("no passkey to be asked for", async () => (await button.count()) === 0);
  assert.deepEqual(errors, []);
});

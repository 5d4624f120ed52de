// The event stream breaks while the server lives on: somebody else's server, behind a line that can be cut.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { Model, until } from "./lib/agent.js";
import { enter, launch, open } from "./lib/browser.js";
import { agentOf, server } from "./lib/theirs.js";

/** A line to a port that can be cut and mended. @param {number} port */
async function line(port) {
  /** @type {Set<import("node:net").Socket>} */
  const open = new Set();
  let isCut = false;
  let refused = 0;
  /** @type {RegExp | undefined} */
  let unheard;
  let heard = "";
  const relay = createServer((near) => {
    if (isCut) {
      refused += 1;
      near.destroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    near.on("data", (said) => {
      if (!unheard) return;
      heard += said;
      if (unheard.test(String(said))) near.destroy();
    });
    for (const [one, other] of /** @type {const} */ ([[near, far], [far, near]])) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (relay.address());
  const cut = () => {
    isCut = true;
    for (const socket of open) socket.destroy();
  };
  const mend = () => {
    isCut = false;
  };
  /** Somebody has tried to get through since the cut. */
  const is_noticed = () => refused > 0;
  /** Whoever asks for this is hung up on. @param {RegExp} [what] */
  const ignore = (what) => {
    unheard = what;
    heard = "";
  };
  /** Whether this was asked for since then. @param {RegExp} what */
  const has_heard = (what) => what.test(heard);
  const end = async () => {
    cut();
    relay.close();
    await once(relay, "close");
  };
  return { port: address.port, cut, mend, is_noticed, ignore, has_heard, end };
}

/** @type {Model} */
let model;
/** @type {Awaited<ReturnType<typeof server>>} */
let theirs;
/** @type {Awaited<ReturnType<typeof line>>} */
let wire;
/** @type {import("./lib/agent.js").Agent} */
let agent;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  model = await Model.start();
  theirs = await server(model);
  wire = await line(theirs.port);
  agent = await agentOf(wire.port);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await agent?.stop();
  await wire?.end();
  await theirs?.end();
  await model?.stop();
});

/** A session of theirs, at work in a folder this program was never told of. @param {string} words */
async function work(words) {
  const session = await theirs.call("/session", { title: words.split(" ")[0] });
  await theirs.call(`/session/${session.id}/prompt_async`, { parts: [{ type: "text", text: words }] });
  return session.id;
}

test("what goes on while the events are away is shown as it is when they are back", async () => {
  const { page, errors } = await open(browser, { base: agent.base });
  await enter(page, agent, "chat");
  const asks = await work('Asks [[tool:bash {"command":"echo a","description":"A"}]]');
  const answered = await work('Answered [[tool:bash {"command":"echo b","description":"B"}]] [[text:all of it is written]]');
  /** @param {string} id @param {string} state */
  const card = (id, state) => page.locator(`#card-${id}[data-state=${state}]`);
  await card(asks, "waiting").waitFor();
  await card(answered, "waiting").waitFor();

  wire.cut();
  await until("the cut to be noticed", wire.is_noticed);
  const requests = await theirs.call("/permission");
  const request = requests.find((/** @type {any} */ one) => one.sessionID === answered);
  await theirs.call(`/permission/${request.id}/reply`, { reply: "once" });
  await until("the turn to end", async () => !(answered in (await theirs.call("/session/status"))));
  wire.mend();

  await card(answered, "idle").waitFor();
  assert.match(await card(answered, "idle").innerText(), /all of it is written/);
  await card(asks, "waiting").waitFor();
  await card(asks, "waiting").getByRole("link").click();
  await page.getByRole("button", { name: "Allow once" }).click();
  await page.locator(".turn-end").waitFor();
  assert.deepEqual(errors, []);
});

test("a folder that does not say at first what goes on in it is asked again", async () => {
  const { page, errors } = await open(browser, { base: agent.base });
  await enter(page, agent, "chat");
  const id = await work('Quiet [[tool:bash {"command":"echo c","description":"C"}]] [[text:said in the gap]]');
  /** @param {string} state */
  const card = (state) => page.locator(`#card-${id}[data-state=${state}]`);
  await card("waiting").waitFor();

  wire.ignore(/^GET .session.status.directory=\S*elsewhere/m);
  wire.cut();
  const request = (await theirs.call("/permission")).find((/** @type {any} */ one) => one.sessionID === id);
  await theirs.call(`/permission/${request.id}/reply`, { reply: "once" });
  await until("the turn to end", async () => !(id in (await theirs.call("/session/status"))));
  wire.mend();
  // The agent's own folder comes after it in the order in which they are asked.
  await until("the folders to be asked", () => wire.has_heard(/session.status.directory=\S*shop/));
  await page.locator("#connection").waitFor({ state: "hidden" });
  assert.equal(await card("waiting").count(), 1, "nothing is known yet");
  wire.ignore();

  await card("idle").waitFor();
  assert.match(await card("idle").innerText(), /said in the gap/);
  assert.deepEqual(errors, []);
});

// Every page that needs no conversation, on every screen and in both colour schemes.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { assertFits, assertUsable, assertUsableEverywhere, enter, launch, open, picture } from "./lib/browser.js";

/** @type {Model} */
let model;
/** @type {Agent} */
let agent;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  model = await Model.start();
  agent = await Agent.start({ model });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await agent?.stop();
  await model?.stop();
});

/** A stranger's page. */
const stranger = () => open(browser, { base: agent.base });

/**
 * The owner's page.
 * @param {string} [to]
 */
async function owner(to = "dashboard") {
  const visit = await stranger();
  await enter(visit.page, agent, to);
  return visit;
}

test("a stranger finds the login page wherever they go, usable on every screen", async () => {
  const { page, context, errors } = await stranger();

  await page.goto("/dashboard");
  assert.equal(new URL(page.url()).pathname, "/login");
  await assertUsableEverywhere(page, "/login");

  assert.deepEqual(errors, []);
  await context.close();
});

test("a wrong password is refused in words and nothing is lost", async () => {
  await agent.nexusWithInput("a rather long and unusual passphrase\n", "password", "set", "--stdin");
  const { page, context } = await stranger();

  await page.goto("/dashboard");
  await page.getByLabel(/password/i).fill("not this one at all");
  await page.keyboard.press("Enter");
  const field = page.locator('[aria-invalid="true"]');
  await field.waitFor();
  const reason = await field.getAttribute("aria-describedby");
  assert.match(await page.locator(`#${reason?.split(" ").at(-1)}`).innerText(), /password/i);
  assert.ok(await field.evaluate((input) => input === document.activeElement), "what has to be mended has the focus");
  await assertUsableEverywhere(page);
  await page.getByLabel(/password/i).fill("a rather long and unusual passphrase");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname === "/dashboard");

  await context.close();
});

test("the dashboard, the logs and the first page fit every screen", async () => {
  const { page, context, errors } = await owner();

  for (const path of ["/dashboard", "/logs", "/onboarding"]) {
    await assertUsableEverywhere(page, path);
  }

  assert.deepEqual(errors, []);
  await context.close();
});

test("what was told and when the server ended is on pages that stay true", async () => {
  await agent.healthy();
  const { page, context, errors } = await owner("/notices");
  await page.getByRole("heading", { name: "Notices" }).waitFor();
  await page.waitForFunction(() => document.body.dataset["link"] === "up");

  process.kill(await agent.healthy(), "SIGKILL");

  // Nobody reloads it.
  await page.getByRole("heading", { name: /opencode (is restarting|was restarted|is back)/ }).waitFor();
  await page.getByText("New", { exact: true }).first().waitFor();
  await assertUsableEverywhere(page, "/notices");
  await picture(page, "notices");
  await page.getByRole("button", { name: "Mark all as read" }).click();
  await page.waitForFunction(() => !document.querySelector(".told-new"));

  await agent.healthy();
  await page.goto("/dashboard");
  await page.getByRole("link", { name: /ended or was restarted/ }).click();
  await page.getByRole("heading", { name: /signal 9/ }).first().waitFor();
  await assertUsableEverywhere(page, "/dashboard/history");
  await picture(page, "history");
  assert.deepEqual(errors, []);
  await context.close();
});

test("devices, what was searched for, a session that is gone and a link's page fit every screen", async () => {
  const { page } = await owner();
  for (const path of ["/devices", "/chat", "/chat?q=nothing", "/chat/ses_gone", "/logs?text=nothing+like+it", "/logs?text=a(&regex=on"]) {
    await assertUsableEverywhere(page, path);
  }
  const link = new URL(await agent.link("chat"));
  await assertUsableEverywhere(page, link.pathname + link.search);
});

test("the title of every page has the same size", async () => {
  const { page, context } = await owner();

  const sizes = /** @type {Record<string, string>} */ ({});
  for (const path of ["/notices", "/logs", "/devices", "/onboarding", "/dashboard/history", "/no-such-page"]) {
    await page.goto(path);
    sizes[path] = await page.locator("h1").evaluate((title) => getComputedStyle(title).fontSize);
  }
  assert.equal(new Set(Object.values(sizes)).size, 1, JSON.stringify(sizes));

  await context.close();
});

test("what does not exist is said on a page of ours", async () => {
  const { page, context } = await owner();

  const answer = await page.goto("/no-such-page");
  assert.equal(answer?.status(), 404);
  assert.equal(await page.getByRole("heading", { level: 1 }).innerText(), "There is no such page");
  await assertUsableEverywhere(page);

  await context.close();
});

test("a used link says what to do instead of letting in", async () => {
  const link = await agent.link();
  const first = await stranger();
  await first.page.goto(link);
  await first.page.getByRole("main").getByRole("button").first().click();
  await first.page.waitForURL((url) => !url.pathname.startsWith("/enter"));

  const second = await stranger();
  await second.page.goto(link);
  await second.page.getByRole("main").getByRole("button").first().click();
  await second.page.getByText("nexus open --print-url").waitFor();
  await assertUsable(second.page);

  await first.context.close();
  await second.context.close();
});

test("pages survive a text size of 200 percent", async () => {
  const { page, context } = await owner();

  // Twice the text on a screen of 1280 px is a screen of 640 px.
  await page.setViewportSize({ width: 640, height: 430 });
  for (const path of ["/dashboard", "/logs", "/onboarding", "/chat"]) {
    await page.goto(path);
    await assertFits(page);
  }

  await context.close();
});

test("a page comes back by itself after the network was away", async () => {
  const { page, context } = await owner();
  await page.waitForFunction(() => document.body.dataset["link"] === "up");

  await context.setOffline(true);
  await page.waitForFunction(() => document.body.dataset["link"] === "lost");
  await page.getByText("This device is offline.").waitFor();
  await assertUsable(page);
  await context.setOffline(false);
  await page.waitForFunction(() => document.body.dataset["link"] === "up");
  await page.getByText("This device is offline.").waitFor({ state: "hidden" });

  await context.close();
});

test("an agent that is killed under an open page comes back, and the page with what was typed", async () => {
  await agent.healthy();
  const { page, context } = await owner("chat");
  const isLinked = (/** @type {boolean} */ wanted) =>
    page.waitForFunction((wanted) => (document.body.dataset["link"] === "up") === wanted, wanted);
  await isLinked(true);
  await page.locator("#words").fill("half a thought");

  const { pid } = (await agent.status()).agent;
  process.kill(pid, "SIGKILL");

  await isLinked(false);
  await until("another agent", async () => {
    const status = await agent.status().catch(() => undefined);
    return status && status.agent.pid !== pid;
  });
  await isLinked(true);
  assert.equal(await page.locator("#words").inputValue(), "half a thought");
  await page.reload();
  assert.equal(await page.locator("#words").inputValue(), "half a thought");
  await agent.healthy();
  await context.close();
});

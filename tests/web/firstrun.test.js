// The first page a person sees, filled in and sent: real opencode, scripted model, real browser.
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { assertUsableEverywhere, enter, launch, open, picture } from "./lib/browser.js";

const password = "a rather long and unusual passphrase";

/** @type {Model} */
let model;
/** @type {Agent} */
let agent;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  model = await Model.start();
  agent = await Agent.start({ model, args: ["run", "--headless"] });
  browser = await launch();
  await agent.healthy();
});
after(async () => {
  await browser?.close();
  await agent?.stop();
  await model?.stop();
});

test("the first page is sent: problems stand where they are, and the answers hold from then on", async () => {
  const bakery = join(agent.home, "projects/bakery");
  mkdirSync(bakery, { recursive: true });
  const { page, context, errors } = await open(browser, { base: agent.base });
  await enter(page, agent, "onboarding");
  const send = page.getByRole("button", { name: /^Save/ });
  const folders = page.getByLabel("Project folders");
  const asPleased = page.getByRole("radio", { name: /As opencode is configured/ });
  /** Sends and gives what is wrong. */
  const problems = async () => {
    const answer = page.waitForResponse((response) => response.request().method() === "POST" && response.url().endsWith("/onboarding"));
    await send.click();
    assert.equal((await answer).status(), 422);
    await page.locator(".field-error").first().waitFor();
    return page.locator(".field-error").allInnerTexts();
  };

  // Nothing typed, and a folder that is not there: both are said, and nothing is kept.
  await page.getByRole("radio", { name: "Use my own" }).check();
  await asPleased.check();
  await folders.fill("/no/such/folder");
  const both = await problems();
  assert.equal(both.length, 2, both.join(" | "));
  assert.match(both.join(" "), /Enter a password/);
  assert.match(both.join(" "), /no folder \/no\/such\/folder\./);
  // Each is tied to its field, and the first one has the focus.
  for (const [name, problem] of /** @type {const} */ ([["password", /Enter a password/], ["folders", /no folder/]])) {
    const field = page.locator(`#${name}`);
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    const said = String(await field.getAttribute("aria-describedby")).split(" ").at(-1);
    assert.match(await page.locator(`#${said}`).innerText(), problem);
  }
  assert.equal(await page.evaluate(() => document.activeElement?.id), "password");
  await assertUsableEverywhere(page);
  await picture(page, "setup-problems");
  // What was chosen stands as it was.
  assert.ok(await page.getByRole("radio", { name: "Use my own" }).isChecked());
  assert.ok(await asPleased.isChecked());
  assert.equal(await folders.inputValue(), "/no/such/folder");

  // Too short.
  await folders.fill(bakery);
  await page.getByLabel("Your own password").fill("short");
  const weak = await problems();
  assert.equal(weak.length, 1, weak.join(" | "));
  assert.match(String(weak[0]), /15/);
  assert.equal(await page.getByLabel("Your own password").inputValue(), "", "a password is never sent back");
  assert.match(await agent.nexus("settings", "get", "opencode.ask"), /commands_and_edits/);

  const before = await agent.healthy();
  await page.getByLabel("Your own password").fill(password);
  // Off until its owner says so.
  const atLogin = page.getByRole("checkbox", { name: /Start at login/ });
  assert.equal(await atLogin.isChecked(), false);
  assert.match(await agent.nexus("autostart", "status"), /does not start at login/);
  await atLogin.check();
  await send.click();
  await page.waitForURL((url) => url.pathname === "/chat" || url.pathname === "/");
  // What to ask for is told to opencode when it starts, so it has to start again.
  await until("opencode to be another", async () => (await agent.healthy()) !== before);

  // The folder: a session begins in it. The permission: nothing is asked.
  await page.goto("/");
  assert.equal(await page.locator("select[name=directory]").inputValue(), bakery);
  await page.locator("#words").fill('Go [[tool:bash {"command":"touch unasked","description":"Touch"}]] [[text:gone]]');
  await page.keyboard.press("Enter");
  await page.locator(".turn-end").first().waitFor({ timeout: 60_000 });
  assert.ok(existsSync(join(bakery, "unasked")));
  // Seen again it asks for no password, and shows what holds.
  await page.goto("/onboarding");
  await page.getByText("A password is set").waitFor();
  assert.ok(await asPleased.isChecked());
  assert.equal(await folders.inputValue(), bakery);
  assert.match(await agent.nexus("autostart", "status"), /The agent starts at login/);
  // What was switched elsewhere in the meantime is what is shown.
  assert.equal(await atLogin.isChecked(), true);
  await agent.nexus("autostart", "off");
  await page.reload();
  assert.equal(await atLogin.isChecked(), false);
  await context.close();

  // The password lets a stranger in; another one does not.
  const stranger = await open(browser, { base: agent.base });
  await stranger.page.goto("/dashboard");
  await stranger.page.getByLabel(/password/i).fill("another long and unusual one");
  await stranger.page.keyboard.press("Enter");
  await stranger.page.locator('[aria-invalid="true"]').waitFor();
  await stranger.page.getByLabel(/password/i).fill(password);
  await stranger.page.keyboard.press("Enter");
  await stranger.page.waitForURL((url) => url.pathname === "/dashboard");
  await stranger.context.close();
  // Chromium logs the refusals themselves.
  assert.deepEqual(errors.filter((error) => !/status of 422/.test(error)), []);
});

// The pictures of the README: a day's work on the real pages, taken by `installers/dev pictures`.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Agent, Model } from "./lib/agent.js";
import { assertUsable, enter, launch, open, picture, sizes } from "./lib/browser.js";

/** @type {Model} */
let model;
/** @type {Agent} */
let agent;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  model = await Model.start();
  agent = await Agent.start({ model });
  await agent.healthy();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await agent?.stop();
  await model?.stop();
});

/**
 * Begins a session with a prompt from the main page.
 * @param {import("playwright-core").Page} page
 * @param {string} prompt
 */
async function ask(page, prompt) {
  await page.goto("/chat");
  const box = page.getByRole("textbox").first();
  await box.fill(prompt);
  await box.press("Enter");
  await page.waitForURL(/\/chat\/ses_/);
}

test("a day of work, in both colour schemes and at every size", async () => {
  const { page, context, errors } = await open(browser, { base: agent.base });
  await enter(page, agent);

  await ask(page, "Good morning, show me some code");
  await page.getByText("hello from the demo").first().waitFor();
  const answer = page.url();
  await ask(page, "Please list files");
  await page.getByRole("button", { name: /allow once/i }).first().waitFor();
  const waiting = page.url();

  for (const scheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport);
      for (const [name, address] of Object.entries({ answer, waiting, sessions: "/chat", dashboard: "/dashboard" })) {
        await page.goto(address);
        await page.waitForFunction(() => document.body.dataset["link"] === "up");
        // What waits takes no answer in its first moment.
        await page.waitForFunction(() => !document.querySelector('.ask button[aria-disabled="true"]'));
        await assertUsable(page);
        await picture(page, `${name}-${size}-${scheme}`);
      }
    }
  }

  assert.deepEqual(errors, []);
  await context.close();
});

// The chat in the program's own window: the same pages in WebKit, steered by its driver.
//
// The window is started as the agent starts it, with a ticket in a header; built for tests it lets a driver attach.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { display, end } from "./lib/display.js";
import { nexus } from "./lib/tools.js";
import { Driver, freePort } from "./lib/webdriver.js";

test("a prompt typed in the window is answered in the window", async () => {
  const model = await Model.start();
  const agent = await Agent.start({ model });
  const screen = await display();
  const folder = mkdtempSync(join(tmpdir(), "nexus-window-"));
  const inspector = await freePort();
  await agent.healthy();
  const ticket = new URL(await agent.link()).searchParams.get("ticket");
  const child = spawn(`${nexus}-window`, ["--data", folder], {
    env: {
      ...agent.env,
      ...screen.env,
      WEBKIT_INSPECTOR_SERVER: `127.0.0.1:${inspector}`,
      WEBKIT_DISABLE_DMABUF_RENDERER: "1",
    },
    stdio: ["pipe", "ignore", "ignore"],
  });
  const wish = { say: "open", name: "chat", origin: agent.base, path: "/chat", ticket, place: null };
  child.stdin.write(`${JSON.stringify(wish)}\n`);
  const driver = await Driver.attach(inspector);
  try {
    await until("the page to be live", () => driver.run("return document.body.dataset.link === 'up'"));
    assert.equal(await driver.run("return location.pathname + location.search"), "/chat");
    const fits = () => driver.run("return document.documentElement.scrollWidth <= innerWidth");
    assert.equal(await fits(), true, "the main page is wider than the window");

    await driver.type("textarea", "[[text:Good morning from the model]]");
    await driver.type("textarea", "\uE007");
    await until("the answer in the window", () =>
      driver.run("return document.querySelector('main').innerText.split('Good morning from the model').length > 2"),
    );

    assert.match(await driver.run("return location.pathname"), /^\/chat\/ses_/);
    assert.equal(await fits(), true, "the conversation is wider than the window");
  } finally {
    await driver.close();
    await end(child);
    await screen.end();
    await agent.stop();
    await model.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
});

// What the agent did, card by card, and what a person hands over: real opencode, scripted model, real browser.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { assertUsable, enter, launch, open, picture } from "./lib/browser.js";
import { begin, finished, say } from "./lib/talk.js";

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
  await agent.healthy();
});
after(async () => {
  await browser?.close();
  await agent?.stop();
  await model?.stop();
});
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
});

/** @typedef {import("playwright-core").Page} Page */

async function owner() {
  const visit = await open(browser, { base: agent.base });
  await enter(visit.page, agent, "chat");
  return visit;
}

/** A call of a tool as the scripted model reads it. @param {string} tool @param {object} input */
const call = (tool, input) => `[[tool:${tool} ${JSON.stringify(input)}]]`;

/** What opencode keeps of a session. @param {Page} page @param {string} path @returns {Promise<any[]>} */
const messages = (page, path) =>
  page.evaluate(async (id) => (await fetch(`/api/opencode/session/${id}/message`)).json(), path.split("/").at(-1));

/** The card with this verb, unfolded. @param {Page} page @param {string} verb */
async function card(page, verb) {
  const found = page.locator("details.tool", { has: page.locator("summary .tool-verb", { hasText: new RegExp(`^${verb}$`) }) });
  await found.first().waitFor();
  if ((await found.first().getAttribute("open")) === null) await found.first().locator("summary").click();
  return found.first();
}

test("each tool has a card that says what it did, and unfolds to what came of it", async () => {
  writeFileSync(join(agent.project, "prices.txt"), "apples 3\npears 4\n");
  const site = createServer((_, answer) => answer.setHeader("content-type", "text/plain").end("a page from next door\n"));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (site.address());
  const { page, errors } = await owner();
  // Words between them, so that looks are not folded into one line.
  const path = await begin(
    page,
    [
      call("grep", { pattern: "pears" }),
      "[[text:between]]",
      call("glob", { pattern: "*.txt" }),
      "[[text:between]]",
      call("webfetch", { url: `http://127.0.0.1:${port}/page`, format: "text" }),
      call("todowrite", {
        todos: [
          { content: "weigh the pears", status: "completed", priority: "high" },
          { content: "sell them", status: "pending", priority: "low" },
        ],
      }),
      call("write", { filePath: "sign.txt", content: "fresh pears\n" }),
      call("conjure", { rabbits: 2 }),
      "[[text:all done]]",
    ].join(" "),
  );
  await page.getByRole("button", { name: "Allow once" }).click();
  await finished(page);
  site.close();

  const parts = (await messages(page, path)).flatMap(({ parts }) => parts).filter(({ type }) => type === "tool");
  /** What opencode keeps of a call, e.g. where it has no program to search with: why not. @param {string} tool */
  const kept = (tool) => {
    const { state } = parts.find((part) => part.tool === tool);
    return String(state.status === "error" ? state.error : state.output).trim();
  };
  const bare = (/** @type {string} */ text) => text.replace(/\s+/g, " ").trim();
  for (const [verb, target, result] of /** @type {[string, string, string][]} */ ([
    ["Search", "pears", kept("grep")],
    ["Find", "*.txt", kept("glob")],
    ["Fetch", `http://127.0.0.1:${port}/page`, "a page from next door"],
    ["Plan", "1 of 2 done", "sell them"],
    ["Write", "sign.txt +1", "fresh pears"],
    ["Unknown tool", "conjure", kept("invalid")],
  ])) {
    const found = await card(page, verb);
    const [line, body] = [await found.locator("summary").innerText(), await found.locator(".tool-body").innerText()].map(bare);
    assert.ok(line?.includes(target), `${verb}: ${line}`);
    assert.ok(result && body?.includes(bare(result)), `${verb}: ${body}`);
  }
  assert.match(await (await card(page, "Unknown tool")).locator("summary").innerText(), /failed/);
  assert.equal(readFileSync(join(agent.project, "sign.txt"), "utf8"), "fresh pears\n");
  const done = (await card(page, "Plan")).locator("li[data-status=completed]");
  assert.match(await done.innerText(), /completed:\s*weigh the pears/);
  await assertUsable(page);
  await picture(page, "cards");
  await page.setViewportSize({ width: 320, height: 640 });
  await assertUsable(page);
  assert.deepEqual(errors, []);
});

test("what a sub-agent asks is answered on its parent's page, which leads to its session", async () => {
  const { page, errors } = await owner();
  mkdirSync(join(agent.project, "pit"));
  const below = `Do ${call("bash", { command: "echo from below > below.txt", description: "Write", workdir: join(agent.project, "pit") })} [[text:dug deep]]`;
  const path = await begin(page, `${call("task", { description: "Dig a hole", prompt: below, subagent_type: "general" })} [[text:well dug]]`);

  const ask = page.locator(".ask");
  await ask.waitFor({ timeout: 60_000 });
  assert.equal(new URL(page.url()).pathname, path);
  assert.match(await ask.innerText(), /echo from below > below\.txt/);
  await ask.getByText(/In .*pit, seen from .*shop/).waitFor();
  const [waits] = (await agent.status()).modules.chat.waiting;
  assert.equal(waits.wants, `in ${join(agent.project, "pit")}: echo from below > below.txt`, "the tray says it too");
  await picture(page, "sub-agent-asks");
  await assertUsable(page);
  await ask.getByRole("button", { name: "Allow once" }).click();
  await finished(page);

  assert.equal(readFileSync(join(agent.project, "pit/below.txt"), "utf8"), "from below\n");
  assert.equal(await ask.count(), 0);
  const dug = await card(page, "Sub-agent");
  assert.match(await dug.locator("summary").innerText(), /Dig a hole/);
  assert.match(await dug.locator(".output").last().innerText(), /^dug deep\s*$/);
  await dug.getByRole("link", { name: /sub-agent/ }).click();
  await page.waitForURL((url) => url.pathname.startsWith("/chat/ses_") && url.pathname !== path);
  await page.locator(".turn .prose", { hasText: "dug deep" }).waitFor();
  assert.deepEqual(errors, []);
});

test("the model that is chosen answers the next message", async () => {
  const { page, errors } = await owner();
  const path = await begin(page, "One [[text:ok]]");
  await finished(page);
  const before = (await messages(page, path)).at(-1).info.modelID;

  await page.locator("#menus select[name=model]").selectOption({ label: "Think One" });
  await say(page, "Two [[text:ok]]");
  await finished(page, 2);

  const after = (await messages(page, path)).at(-1).info;
  assert.notEqual(before, "think-1");
  assert.deepEqual([after.role, after.modelID], ["assistant", "think-1"]);
  assert.deepEqual(errors, []);
});

test("the arrows go back through what was sent, and leave what is being typed alone", async () => {
  const { page } = await owner();
  await begin(page, "First [[text:ok]]");
  await finished(page);
  await say(page, "Second [[text:ok]]");
  await finished(page, 2);
  const words = page.locator("#words");
  /** @param {string} key */
  const press = async (key) => {
    await page.keyboard.press(key);
    return words.inputValue();
  };

  await words.focus();
  assert.deepEqual(
    [await press("ArrowUp"), await press("ArrowUp"), await press("ArrowDown"), await press("ArrowDown")],
    ["Second [[text:ok]]", "First [[text:ok]]", "Second [[text:ok]]", ""],
  );
  await words.fill("my own words");
  assert.equal(await press("ArrowUp"), "my own words");
});

test("a pasted picture and a dropped file go along with the message", async () => {
  const { page, errors } = await owner();
  const path = await begin(page, "One [[text:ok]]");
  await finished(page);
  const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  /** @param {"paste" | "drop"} how @param {string} name @param {string} type @param {string} base64 */
  const hand = (how, name, type, base64) =>
    page.locator("#words").evaluate(
      (field, [how, name, type, base64]) => {
        const bytes = Uint8Array.from(atob(String(base64)), (letter) => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], String(name), { type: String(type) }));
        const wish = { bubbles: true, cancelable: true };
        field.dispatchEvent(
          how === "paste"
            ? new ClipboardEvent("paste", { ...wish, clipboardData: data })
            : new DragEvent("drop", { ...wish, dataTransfer: data }),
        );
      },
      [how, name, type, base64],
    );

  await hand("paste", "pasted.png", "image/png", pixel);
  await page.locator("#chips .chip").waitFor();
  await hand("drop", "dropped.txt", "text/plain", Buffer.from("what was dropped\n").toString("base64"));
  await until("both files to be there", async () => (await page.locator("#chips .chip").count()) === 2);
  await say(page, "Look [[text:seen]]");
  await finished(page, 2);

  assert.equal(await page.locator("#chips .chip").count(), 0);
  assert.equal(await page.locator(".prompt .picture img").count(), 1);
  const parts = (await messages(page, path)).filter(({ info }) => info.role === "user").at(-1).parts;
  const files = parts.filter((/** @type {any} */ part) => part.type === "file").map((/** @type {any} */ part) => part.filename);
  assert.deepEqual(files.sort(), ["dropped.txt", "pasted.png"]);
  assert.deepEqual(errors, []);
});

test("sessions of two folders work at once, each in its own", async () => {
  const other = join(agent.home, "projects/bakery");
  mkdirSync(other, { recursive: true });
  await agent.nexus("settings", "set", "chat.projects", JSON.stringify([agent.project, other]));
  const { page, context, errors } = await owner();
  const second = await context.newPage();
  const work = `Where ${call("bash", { command: "pwd > where.txt", description: "Say where" })} [[text:known]]`;
  const here = await begin(page, work);
  await second.goto("/");
  await second.locator("select[name=directory]").selectOption(other);
  await say(second, work);
  await second.waitForURL(/\/chat\/ses_/);
  const there = new URL(second.url()).pathname;

  // Both wait at the same time; answering one leaves the other.
  await page.locator(".ask").waitFor({ timeout: 60_000 });
  await second.locator(".ask").waitFor({ timeout: 60_000 });
  await second.getByRole("button", { name: "Allow once" }).click();
  await finished(second);
  assert.equal(await page.locator(".ask").count(), 1);
  await page.getByRole("button", { name: "Allow once" }).click();
  await finished(page);

  assert.equal(readFileSync(join(agent.project, "where.txt"), "utf8").trim(), agent.project);
  assert.equal(readFileSync(join(other, "where.txt"), "utf8").trim(), other);
  await page.goto("/");
  // Of a long path the end is seen, which names the project.
  for (const width of [320, 360, 440, 768, 1280]) {
    await page.setViewportSize({ width, height: 720 });
    const ends = await page.locator(".session-where > span").evaluateAll((paths) =>
      paths.map((path) => {
        const text = /** @type {Text} */ (path.firstChild);
        const name = document.createRange();
        name.setStart(text, text.data.lastIndexOf("/") + 1);
        name.setEnd(text, text.length);
        const [seen, box] = [name.getBoundingClientRect(), path.getBoundingClientRect()];
        return { isCut: path.scrollWidth > path.clientWidth, isSeen: seen.width > 0 && seen.left >= box.left && seen.right <= box.right + 1 };
      }),
    );
    assert.ok(ends.length >= 2 && ends.every(({ isSeen }) => isSeen), `${width} px: ${JSON.stringify(ends)}`);
    assert.ok(width > 320 || ends.some(({ isCut }) => isCut), "the paths are too short to show it");
  }
  for (const [path, name] of /** @type {[string, string][]} */ ([[here, "shop"], [there, "bakery"]])) {
    assert.match(await page.locator(`#card-${path.split("/").at(-1)}`).innerText(), new RegExp(name));
  }
  assert.deepEqual(errors, []);
});

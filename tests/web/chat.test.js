// The chat as a person uses it: real opencode, scripted model, real browser.
import assert from "node:assert/strict";
import { readFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { assertUsable, countSocket, enter, launch, open, picture, sizes } from "./lib/browser.js";
import { begin, finished, say } from "./lib/talk.js";

/** Bytes on the socket per byte of the model's text. */
const bytes_ratio_max = 12;

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

/** @param {Parameters<typeof open>[1]} [wish] */
async function owner(wish) {
  const visit = await open(browser, { base: agent.base, ...wish });
  await enter(visit.page, agent, "chat");
  return visit;
}

/** @typedef {import("playwright-core").Page} Page */

/** What the model said last, as opencode keeps it. @param {Page} page */
async function modelText(page) {
  const session = page.url().split("/").at(-1);
  const messages = await page.evaluate(async (id) => (await fetch(`/api/opencode/session/${id}/message`)).json(), session);
  const said = messages.filter((/** @type {any} */ message) => message.info.role === "assistant");
  return said.at(-1).parts.filter((/** @type {any} */ part) => part.type === "text").map((/** @type {any} */ part) => part.text).join("");
}

/** The words of the newest turn on the page, captions of code blocks left out. @param {Page} page */
const pageWords = (page) =>
  page.evaluate(() => {
    const prose = [...document.querySelectorAll(".turn:last-child > .prose")].map((element) => {
      const copy = /** @type {Element} */ (element.cloneNode(true));
      for (const caption of copy.querySelectorAll("figcaption")) caption.remove();
      // Blocks are apart on the page, so their words are not one.
      for (const block of copy.querySelectorAll("p, li, li > span, td, th, h3, h4, h5, h6, figure, sup")) block.append(" ");
      return copy.textContent;
    });
    return prose.join(" ");
  });

/** Words alone, in order: what is left when marks and spaces do not count. @param {string} text */
const plain = (text) => text.replace(/\]\([^)]*\)/g, "]").replace(/^(\s*[-*] )\[x\]/gm, "$1").replace(/^\s*\d+\. /gm, "").match(/[\p{L}\p{N}]+/gu) ?? [];

/** The fenced blocks of a text. @param {string} text */
const fenced = (text) => [...text.matchAll(/^```\w*\n([^]*?)\n```$/gm)].map((found) => found[1]);

/** @param {Page} page */
const codeOnPage = (page) => page.locator(".turn:last-child figure.code pre").allTextContents();

test("a session begins on the main page and its answer streams in", async () => {
  const { page, errors } = await owner();
  await picture(page, "chat-empty");

  await begin(page, "Say hello [[markdown:300]] [[rate:300]]");
  await page.locator(".prose p").first().waitFor();
  await finished(page);

  assert.equal(await page.locator(".prompt-text").innerText(), "Say hello [[markdown:300]] [[rate:300]]");
  const text = await modelText(page);
  assert.deepEqual(plain(await pageWords(page)), plain(text.replace(/^```\w+$/gm, "")));
  assert.deepEqual(await codeOnPage(page), fenced(text));
  assert.ok(await page.locator("figure.code .k").count());
  const title = await page.locator("#session-head h1").innerText();
  await page.locator("#sessions [aria-current] .row-title", { hasText: title }).waitFor();
  assert.deepEqual(errors, []);
});

for (const [name, script] of [
  ["markdown with code at 300 tokens a second", "[[markdown:2000]] [[rate:300]]"],
  ["markdown with code at 30 tokens a second", "[[markdown:400]] [[rate:30]]"],
  ["one paragraph of 20 KB", "[[paragraph:20000]] [[rate:300]]"],
]) {
  test(`what is sent stays proportional to the text: ${name}`, async () => {
    const { page, errors } = await owner();
    const path = await begin(page, "First [[text:ready]]");
    await finished(page);
    const count = countSocket(page);
    await page.goto(path);
    await until("the socket", () => count.opened > 0 && count.frames > 0);
    count.received = 0;

    await say(page, `More ${script}`);
    await finished(page, 2);

    const text = await modelText(page);
    const ratio = count.received / Buffer.byteLength(text);
    console.log(`# ${name}: ${Buffer.byteLength(text)} bytes of text, ${count.received} on the socket, ${ratio.toFixed(1)} times`);
    assert.deepEqual(plain(await pageWords(page)), plain(text.replace(/^```\w+$/gm, "")));
    assert.deepEqual(await codeOnPage(page), fenced(text));
    assert.ok(ratio <= bytes_ratio_max, `${ratio.toFixed(1)} times the text`);
    assert.deepEqual(errors, []);
  });
}

test("a command waits for its permission and runs once", async () => {
  const { page, errors } = await owner();
  await begin(page, 'Do it [[tool:bash {"command":"echo first > one.txt; echo shown","description":"Write"}]] [[text:finished]]');

  const ask = page.locator(".ask");
  await ask.waitFor();
  assert.match(await ask.innerText(), /echo first > one\.txt; echo shown/);
  assert.match(await ask.innerText(), /projects\/shop/);
  assert.ok(!existsSync(join(agent.project, "one.txt")));
  await assertUsable(page);
  await picture(page, "chat-permission");
  // Away from the text field, single keys answer, once the card has been there for a moment.
  await ask.locator(".primary:not([aria-disabled])").waitFor();
  await page.locator("#log").focus();
  await page.keyboard.press("1");

  await finished(page);
  assert.equal(await ask.count(), 0);
  assert.equal(readFileSync(join(agent.project, "one.txt"), "utf8"), "first\n");
  await page.locator(".tool > summary", { hasText: "Run" }).click();
  assert.match(await page.locator(".tool .output").innerText(), /shown/);
  assert.deepEqual(errors, []);
});

test("always covers what it says it covers", async () => {
  const { page } = await owner();
  await begin(page, 'Twice [[tool:bash {"command":"printf a","description":"A"}]] [[tool:bash {"command":"printf b","description":"B"}]]');

  const ask = page.locator(".ask");
  await ask.waitFor();
  assert.match(await ask.innerText(), /Always covers printf \*/);
  await ask.getByRole("button", { name: "Always" }).click();

  await finished(page);
  assert.equal(await page.locator(".tool", { hasText: "printf" }).count(), 2);
});

test("a rejection with a reason reaches the model, one without ends the turn", async () => {
  const { page } = await owner();
  await begin(page, 'Remove [[tool:bash {"command":"rm -rf build","description":"Remove"}]]');
  await page.locator(".ask").waitFor();
  await page.getByPlaceholder("or say what to do instead").fill("keep the build folder");
  await page.getByRole("button", { name: "Reject" }).click();
  await finished(page);
  assert.match(await page.locator(".tool-error").first().innerText(), /keep the build folder/);
  assert.ok(await page.locator(".turn .prose").count(), "the model goes on");

  await say(page, 'Again [[tool:bash {"command":"rm -rf build","description":"Remove"}]]');
  await page.locator(".ask").waitFor();
  await page.getByRole("button", { name: "Reject" }).click();
  await finished(page, 2);
  assert.equal(await page.locator(".turn").last().locator(".prose").count(), 0);
});

test("an edit is asked for as a diff, and a later look shows it", async () => {
  const { page, errors } = await owner();
  await begin(
    page,
    'Change [[tool:read {"filePath":"README.md"}]] [[tool:edit {"filePath":"README.md","oldString":"Sells things.","newString":"Sells many things."}]] [[text:changed]]',
  );
  await page.locator(".ask .diff ins").waitFor();
  assert.match(await page.locator(".ask .diff ins").innerText(), /Sells many things/);
  await picture(page, "chat-diff");
  await page.getByRole("button", { name: "Allow once" }).click();
  await finished(page);
  assert.match(readFileSync(join(agent.project, "README.md"), "utf8"), /Sells many things/);
  await page.reload();
  await page.locator(".tool > summary", { hasText: "Edit" }).click();
  assert.match(await page.locator(".tool .diff ins").innerText(), /Sells many things/);
  assert.deepEqual(errors, []);
});

test("a question is answered by a choice or in own words", async () => {
  const { page } = await owner();
  const question = '{"questions":[{"question":"Which colour?","header":"Colour","options":[{"label":"Red","description":"like a rose"},{"label":"Blue","description":"like the sea"}]}]}';
  await begin(page, `Ask [[tool:question ${question}]] [[text:thanks]]`);
  await page.getByText("Which colour?").first().waitFor();
  await assertUsable(page);
  await picture(page, "chat-question");
  await page.locator(".option", { hasText: "Blue" }).click();
  await page.getByRole("button", { name: "Answer" }).click();
  await finished(page);
  assert.equal(await page.locator(".ask").count(), 0);
  assert.match(await page.locator(".tool").innerText(), /Which colour/);
});

test("stop ends an answer, and a retry that leads nowhere", async () => {
  const { page } = await owner();
  await begin(page, "On and on [[endless]] [[rate:200]]");
  await page.locator(".prose p").first().waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped by you").waitFor();
  await page.getByRole("button", { name: "Send" }).waitFor();

  await say(page, "Fail [[error:500]]");
  await page.getByText(/vendor failed/).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByRole("button", { name: "Send" }).waitFor();
});

test("a refusal of the vendor is told with what to do", async () => {
  const { page } = await owner();
  await begin(page, "Fail [[error:400]]");
  await page.getByText(/send your message again/i).first().waitFor();
  await assertUsable(page);
  await picture(page, "chat-error");
});

test("an answer whose connection is cut is shown once", async () => {
  const { page } = await owner();
  await begin(page, "Cut [[tokens:60]] [[cut:20:1]] [[rate:100]]");
  await finished(page);
  const words = plain(await pageWords(page));
  assert.equal(words.filter((word) => word === "word0").length, 1);
  assert.equal(words.length, 60);
});

test("a reload in the middle of an answer loses and doubles nothing", async () => {
  const { page, errors } = await owner();
  await begin(page, "Long [[markdown:700]] [[rate:150]]");
  await page.locator(".prose p").nth(1).waitFor();
  for (let reloads = 0; reloads < 3; reloads += 1) {
    await page.reload();
    await page.locator(".prose p").first().waitFor();
  }
  await finished(page);
  const text = await modelText(page);
  assert.deepEqual(plain(await pageWords(page)), plain(text.replace(/^```\w+$/gm, "")));
  // Chromium says so of a page that is left while its socket is being opened; nothing can be done about it.
  const leaving = /WebSocket is closed before the connection is established/;
  assert.deepEqual(errors.filter((error) => !leaving.test(error)), []);
});

test("two pages show the same, and a request answered on one closes on the other", async () => {
  const { page, context } = await owner();
  const path = await begin(page, 'Both [[markdown:300]] [[rate:200]] [[tool:bash {"command":"true","description":"Nothing"}]] [[text:end]]');
  const other = await context.newPage();
  await other.goto(path);
  await other.locator(".ask").waitFor({ timeout: 60_000 });
  await page.locator(".ask").waitFor();
  await other.getByRole("button", { name: "Allow once" }).click();
  await finished(page);
  await finished(other);
  assert.equal(await page.locator(".ask").count(), 0);
  const [here, there] = await Promise.all([page, other].map((one) => one.locator("#turns").innerText()));
  assert.equal(here, there);
});

test("opencode dies in the middle of an answer and the page comes back by itself", async () => {
  const { page } = await owner();
  await begin(page, "Dies [[tokens:3000]] [[rate:60]]");
  await page.locator(".prose p").first().waitFor();
  await page.locator("#words").fill("what I was typing");
  const before = await page.locator(".prose").first().innerText();

  process.kill(await agent.healthy(), "SIGKILL");

  await page.getByText(/Your text is kept/).waitFor();
  await picture(page, "chat-restarting");
  await page.getByText("The server stopped in the middle of this answer.", { exact: true }).waitFor();
  assert.equal(await page.locator("#outage .foot-line").count(), 0);
  assert.equal(await page.locator("#words").inputValue(), "what I was typing");
  assert.ok((await page.locator(".prose").first().innerText()).startsWith(before.slice(0, 40)), "what was said stays");
  await picture(page, "chat-cut");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByText("Continue where you stopped.").waitFor();
  await finished(page, 2);
});

test("a server that is down says why, and is started again from the page", async () => {
  const { page } = await owner();
  await begin(page, "Stays [[text:until the server is stopped]]");
  await finished(page);

  await agent.nexus("server", "stop");

  const outage = page.locator("#outage");
  await outage.getByText(/opencode cannot be reached/).waitFor();
  await picture(page, "chat-down");
  await outage.getByText("What it printed last").click();
  assert.match(await outage.locator("pre").innerText(), /listening on http/);
  await page.goto("/");
  await outage.getByRole("button", { name: "Start opencode" }).click();
  await outage.getByText(/opencode cannot be reached/).waitFor({ state: "hidden" });
  await agent.healthy();
});

test("a server that hangs is restarted from the page", async () => {
  // A hang is known after some seconds, and what the page offers is gone when the agent replaces the server by itself.
  const hurried = await Agent.start({ model, env: { NEXUS_TEST_WAITS: "0.2" } });
  try {
    const pid = await hurried.healthy();
    const { page } = await open(browser, { base: hurried.base });
    await enter(page, hurried, "chat");

    process.kill(pid, "SIGSTOP");

    await page.getByRole("button", { name: "Restart opencode" }).click({ timeout: 60_000 });
    await page.getByRole("button", { name: "Restart opencode" }).waitFor({ state: "hidden" });
    await until("another server", async () => {
      const { opencode } = (await hurried.status()).modules;
      return opencode.state === "healthy" && opencode.pid !== pid;
    });
  } finally {
    await hurried.stop();
  }
});

test("drafts survive a reload, another page and a restart of the agent's page", async () => {
  const { page, context } = await owner();
  const path = await begin(page, "One [[text:ok]]");
  await finished(page);
  const saved = page.waitForResponse((answer) => answer.url().endsWith("/chat/drafts"));
  await page.locator("#words").fill("half a thought");
  await saved;
  await page.reload();
  assert.equal(await page.locator("#words").inputValue(), "half a thought");
  const other = await context.newPage();
  await other.goto(path);
  assert.equal(await other.locator("#words").inputValue(), "half a thought");
});

test("the same words sent twice become one message", async () => {
  const { page } = await owner();
  const path = await begin(page, "One [[text:ok]]");
  await finished(page);
  const body = JSON.stringify({ text: "Twice [[text:once]]", nonce: "0123456789abcdef" });
  for (let tries = 0; tries < 2; tries += 1) {
    const status = await page.evaluate(
      async ([to, sent]) => (await fetch(`${to}/send`, { method: "POST", headers: { "content-type": "application/json", accept: "application/json" }, body: sent })).status,
      [path, body],
    );
    assert.equal(status, 204);
  }
  await finished(page, 2);
  assert.equal(await page.locator(".prompt", { hasText: "Twice" }).count(), 1);
});

test("words typed while it works are queued", async () => {
  const { page } = await owner();
  await begin(page, "First [[tokens:150]] [[rate:80]]");
  await page.getByRole("button", { name: "Stop" }).waitFor();
  await say(page, "Second [[text:later answer]]");
  await page.locator(".prompt", { hasText: "Second" }).waitFor();
  await page.locator(".prose", { hasText: "later answer" }).waitFor({ timeout: 60_000 });
  await finished(page, 2);
});

test("files go along with a message", async () => {
  const { page } = await owner();
  await begin(page, "One [[text:ok]]");
  await finished(page);
  const pixel = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  await page.locator("#files").setInputFiles([{ name: "pixel.png", mimeType: "image/png", buffer: pixel }]);
  await page.locator("#chips .chip").waitFor();
  await say(page, "Look [[text:seen]]");
  await finished(page, 2);
  assert.equal(await page.locator(".prompt .picture img").count(), 1);
});

test("sessions are renamed, pinned, found, deleted and had back", async () => {
  const { page } = await owner();
  const path = await begin(page, "Keep me [[text:ok]]");
  await finished(page);
  const id = path.split("/").at(-1);
  await page.getByRole("button", { name: "Session menu" }).click();
  await page.getByLabel("Title").fill("A very special session");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.locator("#session-head h1", { hasText: "A very special session" }).waitFor();
  await page.goto(path);
  await page.getByRole("button", { name: "Session menu" }).click();
  await page.getByRole("button", { name: "Pin", exact: true }).click();
  await page.goto("/");
  const first = page.locator("#cards .session-card").first();
  assert.match(await first.innerText(), /A very special session/);
  await picture(page, "chat-home");
  await assertUsable(page);
  await page.goto("/chat?q=very+special");
  assert.equal(await page.locator("#sessions li").count(), 1);

  await page.goto(path);
  await page.getByRole("button", { name: "Session menu" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.waitForURL((url) => url.pathname === "/");
  await page.locator(`#card-${id}`).getByRole("button", { name: "Undo" }).click();
  await page.locator(`#card-${id} h3`).waitFor();
  await page.goto(path);
  await page.getByRole("button", { name: "Session menu" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.waitForURL((url) => url.pathname === "/");
  await until("the session to be gone", async () => (await page.locator(`#card-${id}`).count()) === 0, 30_000);
});

test("every state is usable on every screen and in both schemes", async () => {
  const { page } = await owner();
  const path = await begin(
    page,
    'All of it [[reasoning:60]] [[markdown:500]] [[tool:bash {"command":"for i in $(seq 1 40); do echo line $i; done","description":"Count"}]] [[tool:read {"filePath":"nowhere.txt"}]] [[text:end]]',
  );
  await page.locator(".ask").waitFor({ timeout: 60_000 });
  await page.getByRole("button", { name: "Allow once" }).click();
  await finished(page);
  for (const [name, size] of Object.entries({ ...sizes, phone: { width: 360, height: 740 } })) {
    await page.setViewportSize(size);
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await page.emulateMedia({ colorScheme });
      for (const where of ["/", path]) {
        await page.goto(where);
        await page.locator(where === "/" ? ".session-card" : ".turn-end").first().waitFor();
        await assertUsable(page).catch((error) => {
          error.message = `${where} at ${size.width} px, ${colorScheme}: ${error.message}`;
          throw error;
        });
        await picture(page, `chat-${where === "/" ? "home" : "talk"}-${name}-${colorScheme}`);
      }
    }
  }
});

test("hostile words stay words and nothing is fetched from elsewhere", async () => {
  const { page, errors } = await owner();
  /** @type {string[]} */
  const elsewhere = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(agent.base) && !request.url().startsWith("data:")) elsewhere.push(request.url());
  });
  page.on("dialog", (dialog) => assert.fail(`a dialog: ${dialog.message()}`));
  const hostile = '<img src=http://127.0.0.1:9/x onerror=alert(1)><script>alert(2)</script> ![pic](http://127.0.0.1:9/y.png) [go](javascript:alert(3))';
  await begin(page, `Say [[text:${hostile}]]`);
  await finished(page);
  const shown = page.locator(".turn .prose");
  assert.match(await shown.innerText(), /<img src=http:\/\/127\.0\.0\.1:9\/x onerror=alert\(1\)>/);
  assert.match(await shown.innerText(), /http:\/\/127\.0\.0\.1:9\/y\.png/);
  assert.equal(await shown.locator("img, script, a[href^=javascript]").count(), 0);
  assert.deepEqual(elsewhere, []);
  assert.deepEqual(errors, []);
});

test("a long conversation opens with its newest part, and shows earlier ones when asked", async () => {
  const { page } = await owner();
  const path = await begin(page, "One [[text:ok]]");
  await finished(page);
  const id = path.split("/").at(-1);
  await page.evaluate(async (session) => {
    for (let number = 0; number < 90; number += 1) {
      // Stored without an answer: the quickest way to a long conversation.
      const answer = await fetch(`/api/opencode/session/${session}/message`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ noReply: true, parts: [{ type: "text", text: `note number ${number}` }] }),
      });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
    }
  }, id);
  await page.getByText("note number 89", { exact: true }).waitFor();

  // Nobody looks while the server is new: everything is fetched again.
  await page.goto("/dashboard");
  await agent.nexus("server", "restart");
  await agent.healthy();
  await until("the chat to hear of it", async () => (await agent.status()).modules.chat.reason === null);
  await page.goto(path);
  await page.getByText("note number 89", { exact: true }).waitFor();
  await until("a page of messages", async () => (await page.locator(".prompt").count()) <= 60);
  await page.getByRole("button", { name: "Show earlier messages" }).click();
  await page.getByText("note number 0", { exact: true }).waitFor();
  assert.equal(await page.locator(".prompt").count(), 91);
  const order = await page.locator(".prompt-text").allInnerTexts();
  assert.deepEqual(order.slice(1, 4), ["note number 0", "note number 1", "note number 2"]);
  assert.equal(await page.getByRole("button", { name: "Show earlier messages" }).count(), 0);
});

test("without script a message is sent and answered by plain forms", async () => {
  const context = await browser.newContext({ baseURL: agent.base, javaScriptEnabled: false });
  const page = await context.newPage();
  await enter(page, agent, "chat");
  await page.locator("#words").fill('Plain [[tool:bash {"command":"echo plain","description":"Plain"}]] [[text:spoken]]');
  await page.getByRole("button", { name: "Send" }).click();
  await page.waitForURL(/\/chat\/ses_/);
  await until("the request", async () => {
    await page.reload();
    return (await page.locator(".ask").count()) === 1;
  });
  await page.getByRole("button", { name: "Allow once" }).click();
  await until("the answer", async () => {
    await page.reload();
    return (await page.locator(".prose", { hasText: "spoken" }).count()) === 1;
  });
});

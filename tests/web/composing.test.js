// What a person writes, chooses, looks for and allows: real opencode, scripted model, real browser.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { assertUsable, enter, launch, open, picture } from "./lib/browser.js";
import { begin, finished } from "./lib/talk.js";

/** @type {Model} */
let model;
/** @type {Agent} */
let agent;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  model = await Model.start();
  agent = await Agent.start({ model });
  // A command whose template waits for a file, so that a story can send it again before the message exists.
  mkdirSync(join(agent.project, ".opencode/command"), { recursive: true });
  const gate = join(agent.project, "gate.sh");
  writeFileSync(gate, `cd ${agent.project}\n` + 'echo began >> began.txt\nwhile [ ! -e go.txt ]; do sleep 0.05; done\necho "read by the template"\n');
  writeFileSync(join(agent.project, ".opencode/command/gated.md"), `---\ndescription: Waits at the gate\n---\n!\`sh ${gate}\` Tell $ARGUMENTS\n`);
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

/** Sends as the page does. @param {Page} page @param {string} to @param {object} body @returns {Promise<number>} */
const post = (page, to, body) =>
  page.evaluate(
    async ([where, sent]) => {
      const headers = { "content-type": "application/json", accept: "application/json" };
      return (await fetch(where, { method: "POST", headers, body: sent })).status;
    },
    /** @type {[string, string]} */ ([to, JSON.stringify(body)]),
  );

/** What opencode keeps of a session. @param {Page} page @param {string} path @returns {Promise<any[]>} */
const messages = (page, path) =>
  page.evaluate(async (id) => (await fetch(`/api/opencode/session/${id}/message`)).json(), path.split("/").at(-1));

/** How often the gate was come to. */
const began = () => (existsSync(join(agent.project, "began.txt")) ? readFileSync(join(agent.project, "began.txt"), "utf8").match(/began/g)?.length ?? 0 : 0);

/** @param {Page} page @param {string} path @param {string} words */
const prompts = async (page, path, words) =>
  (await messages(page, path)).filter(({ info, parts }) => info.role === "user" && parts.some((/** @type {any} */ part) => part.text?.includes(words)));

test("a command sent twice runs once, also while the first one is only beginning", async () => {
  const { page } = await owner();
  const path = await begin(page, "One [[text:ok]]");
  await finished(page);
  const body = { text: "/gated me [[text:told once]]", nonce: "sent-twice-0123" };

  assert.equal(await post(page, `${path}/send`, body), 204);
  await until("the template to be read", () => began() === 1);
  assert.equal((await prompts(page, path, "told once")).length, 0, "there is no message yet");
  assert.equal(await post(page, `${path}/send`, body), 204);
  writeFileSync(join(agent.project, "go.txt"), "");
  await finished(page, 2);
  assert.equal(await post(page, `${path}/send`, body), 204);

  const [sent, ...more] = await prompts(page, path, "told once");
  assert.deepEqual([more.length, sent.parts.length], [0, 1]);
  assert.match(sent.parts[0].text, /read by the template/);
  assert.equal(began(), 1);
  // What is sent next is answered next: nothing of the command waits behind it.
  await page.locator("#words").fill("Next [[text:after it]]");
  await page.keyboard.press("Enter");
  await finished(page, 3);
  assert.equal((await messages(page, path)).length, 6);
});

test("a command that died with the server is run when it is sent again", async () => {
  const { page } = await owner();
  const path = await begin(page, "One [[text:ok]]");
  await finished(page);
  for (const name of ["go.txt", "began.txt"]) rmSync(join(agent.project, name), { force: true });
  const body = { text: "/gated me [[text:told after all]]", nonce: "sent-in-vain-0123" };
  assert.equal(await post(page, `${path}/send`, body), 204);
  await until("the template to be read", () => began() === 1);

  const before = await agent.healthy();
  process.kill(before, "SIGKILL");
  await until("a new server", async () => (await agent.healthy()) !== before);
  writeFileSync(join(agent.project, "go.txt"), "");
  assert.equal((await prompts(page, path, "told after all")).length, 0);
  await until("it to be taken", async () => (await post(page, `${path}/send`, body)) === 204);

  await page.locator(".prose", { hasText: "told after all" }).waitFor();
  const [sent, ...more] = await prompts(page, path, "told after all");
  assert.deepEqual([more.length, sent.parts.length], [0, 1]);
});

test("words changed after a lost answer are a message of their own, and unchanged ones are not sent twice", async () => {
  const { page } = await owner();
  const path = await begin(page, "One [[text:ok]]");
  await finished(page);
  let isLost = true;
  await page.route("**/send", async (route) => {
    const answer = await route.fetch();
    return isLost ? route.abort() : route.fulfill({ response: answer });
  });
  const words = page.locator("#words");
  const lost = page.locator(".toast", { hasText: "That did not reach the agent" });
  await words.fill("First draft [[text:heard first]]");
  await page.keyboard.press("Enter");
  await lost.waitFor();
  await finished(page, 2);
  // It leaves by itself, so that the next one is known to be the second.
  await lost.waitFor({ state: "detached" });

  // What answers may have changed meanwhile, also by itself; what was said has not.
  await page.locator('[name="agent"]').selectOption("plan");
  await words.press("Enter");
  await lost.waitFor();
  isLost = false;
  await words.fill("Second draft [[text:heard second]]");
  await page.keyboard.press("Enter");
  await finished(page, 3);

  assert.deepEqual(
    [(await prompts(page, path, "First draft")).length, (await prompts(page, path, "Second draft")).length],
    [1, 1],
  );
  assert.equal(await words.inputValue(), "");
  // The same words, meant once more.
  await words.fill("Second draft [[text:heard second]]");
  await page.keyboard.press("Enter");
  await finished(page, 4);
  assert.equal((await prompts(page, path, "Second draft")).length, 2);
});

test("a new session that is begun twice at once is one session", async () => {
  const { page } = await owner();
  const body = { text: "Both at once [[text:one]]", nonce: "begun-twice-0123", directory: agent.project };

  const begun = await page.evaluate(async (sent) => {
    const headers = { "content-type": "application/json", accept: "application/json" };
    const tries = [0, 1, 2].map(async () => (await fetch("/chat/new", { method: "POST", headers, body: sent })).json());
    return (await Promise.all(tries)).map(({ location }) => location);
  }, JSON.stringify(body));

  assert.equal(new Set(begun).size, 1, begun.join());
  await page.goto(begun[0]);
  await finished(page);
  const [sent, ...more] = await prompts(page, begun[0], "Both at once");
  assert.deepEqual([more.length, sent.parts.length], [0, 1]);
});

test("names and menus follow the folder that is chosen", async () => {
  const other = join(agent.home, "projects/other");
  mkdirSync(join(other, ".opencode/command"), { recursive: true });
  mkdirSync(join(other, ".opencode/agent"), { recursive: true });
  writeFileSync(join(other, ".opencode/command/elsewhere.md"), "---\ndescription: Only there\n---\nTell $ARGUMENTS\n");
  writeFileSync(join(other, ".opencode/agent/gardener.md"), "---\ndescription: Gardens\nmode: primary\n---\nYou garden.\n");
  writeFileSync(join(other, "rake.txt"), "a rake\n");
  writeFileSync(join(agent.project, "spade.txt"), "a spade\n");
  // A folder with sessions is offered.
  await agent.nexus("settings", "set", "chat.projects", JSON.stringify([agent.project, other]));
  const { page, errors } = await owner();
  await page.goto("/");
  const names = page.locator("#completions li code");
  const complete = async (/** @type {string} */ typed) => {
    await page.locator("#words").fill("");
    await page.locator("#words").pressSequentially(typed);
    await names.first().waitFor();
    return (await names.allInnerTexts())[0];
  };
  const agents = page.locator("#menus select[name=agent] option");
  const models = page.locator("#menus select[name=model]");
  await until("the first folder's menus", async () => (await agents.count()) > 1);
  assert.ok(!(await agents.allInnerTexts()).includes("gardener"));
  assert.equal(await complete("look at @spad"), "spade.txt");
  await models.selectOption({ label: "Think One" });

  await page.locator("select[name=directory]").selectOption(other);

  await until("the other folder's menus", async () => (await agents.allInnerTexts()).includes("gardener"));
  assert.equal(await models.inputValue(), "local/think-1", "what was chosen stays where it can");
  assert.equal(await complete("look at @rak"), "rake.txt");
  assert.equal(await complete("/elsew"), "elsewhere");
  await page.locator("#menus select[name=agent]").selectOption("gardener");
  await page.locator("select[name=directory]").selectOption(agent.project);
  await until("the first folder's menus again", async () => !(await agents.allInnerTexts()).includes("gardener"));
  assert.equal(await page.locator("#menus select[name=agent]").inputValue(), "build");
  assert.equal(await complete("/gat"), "gated");
  assert.deepEqual(errors, []);
});

test("an archived session is found, marked, read and had back", async () => {
  const { page, errors } = await owner();
  const path = await begin(page, "Put me away [[text:ok]]");
  await finished(page);
  const menu = async (/** @type {string} */ name) => {
    await page.getByRole("button", { name: "Session menu" }).click();
    await page.locator("#session-menu").getByRole("button", { name }).click();
  };
  await page.getByRole("button", { name: "Session menu" }).click();
  await page.getByLabel("Title").fill("Möbel 100%");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.locator("#session-head h1", { hasText: "Möbel 100%" }).waitFor();
  await page.goto(path);
  await menu("Archive");
  await page.waitForURL((url) => url.pathname === "/");
  const id = path.split("/").at(-1);
  await until("it to leave the cards", async () => (await page.locator(`#card-${id}`).count()) === 0);

  await page.getByRole("link", { name: "Archived sessions" }).click();
  await page.locator(`#row-${id}`, { hasText: "Archived" }).waitFor();
  await page.locator("#find").fill("möbel 100%");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=/);
  const row = page.locator(`#row-${id}`);
  assert.match(await row.innerText(), /Möbel 100%\s+Archived/);
  assert.equal(await page.locator("#sessions li").count(), 1);
  await assertUsable(page);
  await picture(page, "chat-archived");
  await page.setViewportSize({ width: 320, height: 640 });
  await assertUsable(page);

  await row.getByRole("link").click();
  await page.waitForURL((url) => url.pathname === path);
  await page.locator(".session-facts", { hasText: /^Archived/ }).waitFor();
  await page.goBack();
  await row.getByRole("button", { name: "Bring back" }).click();
  await page.waitForURL((url) => url.pathname === path);
  await page.locator(".session-facts", { hasNotText: "Archived" }).waitFor();
  await page.goto("/");
  await page.locator(`#card-${id}`).waitFor();

  // Also for a server and a chat that have it from the list alone.
  await agent.nexus("server", "restart");
  await agent.healthy();
  await page.reload();
  await page.locator(`#card-${id}`).waitFor();
  // A message to an archived session has it back.
  await page.goto(path);
  await menu("Archive");
  await page.waitForURL((url) => url.pathname === "/");
  await page.goto(path);
  await page.locator("#words").fill("Again [[text:ok]]");
  await page.keyboard.press("Enter");
  await finished(page, 2);
  await page.goto("/");
  await page.locator(`#card-${id}`).waitFor();
  assert.deepEqual(errors, []);
});

test("pages without a view of their own say when the connection is lost", async () => {
  const { page, context } = await owner();
  for (const where of ["/devices", "/dashboard/history", "/chat/ses_missing", "/chat?q=nothing"]) {
    await page.goto(where);
    await page.locator("body[data-link=up]").waitFor({ timeout: 10_000 }).catch(() => assert.fail(`${where} has no connection`));
    await context.setOffline(true);
    await page.getByText("This device is offline.").waitFor();
    await context.setOffline(false);
    await page.locator("#connection").waitFor({ state: "hidden" });
  }
});

test("a session that is not there is told in our own words, with the next step", async () => {
  const { page } = await owner();
  for (const where of ["/chat/ses_missing", "/chat/nothing-of-the-kind"]) {
    await page.goto(where);
    const told = await page.locator("main").innerText();
    assert.match(told, /There is no such session[^]*Choose one of your sessions/);
    assert.doesNotMatch(told, /opencode|not found/i);
  }
  await page.getByRole("link", { name: "All sessions" }).last().click();
  await page.waitForURL((url) => url.pathname === "/");
});

test("a long change can be read to its end, and hides nothing", async () => {
  const { page } = await owner();
  const lines = Array.from({ length: 700 }, (_, at) => `line ${at + 1}`).join("\\n");
  await begin(page, `Write [[tool:write {"filePath":"long.txt","content":"${lines}\\nthe end\u200b\\n"}]] [[text:written]]`);

  const ask = page.locator(".ask");
  await ask.waitFor();
  assert.equal(await ask.locator(".diff ins").count(), 701);
  const last = ask.locator(".diff ins").last();
  await last.scrollIntoViewIfNeeded();
  assert.match(await last.innerText(), /the end⟨U\+200B⟩/);
  assert.ok(await last.evaluate((line) => {
    const { left, top, height } = line.getBoundingClientRect();
    return line.contains(document.elementFromPoint(left + 20, top + height / 2));
  }), "the last line is in view");
  await ask.getByRole("button", { name: "Allow once" }).scrollIntoViewIfNeeded();
  await assertUsable(page);
  await picture(page, "chat-long-diff");
  await ask.getByRole("button", { name: "Reject" }).click();
  await ask.waitFor({ state: "detached" });
});

test("a request that has just come is not answered by a click or a key meant for something else", async () => {
  const { page } = await owner();
  /** @type {string[]} */
  const answers = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().includes("/permission/")) answers.push(request.url());
  });
  const path = await begin(page, "One [[text:ok]]");
  await finished(page);
  // The quickest hand there is: it presses in the moment the card is there.
  await page.evaluate(() => {
    const pressed = new Set();
    new MutationObserver(() => {
      for (const ask of document.querySelectorAll(".ask")) {
        if (pressed.has(ask.id)) continue;
        pressed.add(ask.id);
        const button = /** @type {HTMLButtonElement} */ (ask.querySelector(".primary"));
        button.click();
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "1", bubbles: true }));
        /** @type {HTMLFormElement} */ (ask.querySelector("form.reject")).requestSubmit();
        document.body.dataset.pressed = String(pressed.size);
      }
    }).observe(document.body, { childList: true, subtree: true });
  });
  await page.locator("#words").fill(
    'Two [[tool:bash {"command":"echo a >> quick.txt","description":"A"}]] [[tool:bash {"command":"echo b >> quick.txt","description":"B"}]] [[text:both]]',
  );
  await page.keyboard.press("Enter");
  await page.locator("body[data-pressed='1']").waitFor();
  await page.locator("#log").focus();

  const first = page.locator(".ask").first();
  await first.locator(".primary:not([aria-disabled])").waitFor();
  assert.deepEqual(answers, [], "nothing was answered");
  assert.ok(!existsSync(join(agent.project, "quick.txt")));
  const id = await first.getAttribute("id");

  // Then it can be answered, and the click after it does not answer the next one that comes to its place.
  await first.locator(".primary").click();
  await until("the next request", async () => {
    const now = await page.locator(".ask").first().getAttribute("id").catch(() => id);
    return now !== id;
  });
  await page.locator("body[data-pressed='2']").waitFor();
  await page.locator(".ask .primary:not([aria-disabled])").waitFor();
  assert.equal(answers.length, 1);
  await page.keyboard.press("1");
  await finished(page, 2);
  assert.equal(answers.length, 2);
  assert.equal(readFileSync(join(agent.project, "quick.txt"), "utf8"), "a\nb\n");

  // A card that is there when the page opens is held for its first moment as well.
  await page.locator("#words").fill('More [[tool:bash {"command":"true","description":"C"}]]');
  await page.keyboard.press("Enter");
  await page.locator(".ask .primary:not([aria-disabled])").waitFor();
  await page.addInitScript(() => {
    addEventListener("DOMContentLoaded", () => {
      document.documentElement.dataset.held = document.querySelector(".ask .primary")?.getAttribute("aria-disabled") ?? "no";
    });
  });
  await page.goto(path);
  assert.equal(await page.locator("html").getAttribute("data-held"), "true");
  await page.locator(".ask").getByRole("button", { name: "Reject" }).click();
  await page.locator(".ask").waitFor({ state: "detached" });
});

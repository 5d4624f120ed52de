// The page's script by itself in a real browser: a bare page, whose one socket is played by this file.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Agent } from "./lib/agent.js";
import { launch } from "./lib/browser.js";

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
  "base-uri 'none'; require-trusted-types-for 'script'; trusted-types nexus";

// What is evaluated in the page means the page's own; here these do not exist.
/** @type {any} */
const document = undefined;
/** @type {any} */
const window = undefined;

/** @typedef {[string, string, ...(string | null)[]]} Patch */
/** @typedef {{url: URL, send: (patches: Patch[], cursor?: string) => void, close: (code: number) => void, drop: () => void}} Socket */

/** What the page shows, and what the server answers; each story sets them. */
let body = "";
/** @type {Record<string, [number, string, string]>} */
let answers = {};
/** @type {(string | string[])[]} */
const asked = [];
/** @type {Socket[]} */
const sockets = [];
let isUp = true;
let script = "";
let style = "";

const server = createServer((request, answer) => {
  const { pathname } = new URL(request.url ?? "/", "http://x");
  const send = (/** @type {number} */ status, /** @type {string} */ type, /** @type {string} */ text, more = {}) => answer.writeHead(status, { "content-type": type, ...more }).end(text);
  if (pathname === "/nexus.js") return send(200, "text/javascript", script);
  if (pathname === "/nexus.css") return send(200, "text/css", style);
  if (pathname === "/") {
    asked.push("page");
    return send(200, "text/html", `<!doctype html><html lang="en"><head><title>t</title><link rel="stylesheet" href="/nexus.css">`
      + `<script src="/nexus.js" defer></script></head>${body}</html>`, { "content-security-policy": CSP });
  }
  if (pathname === "/favicon.ico") return send(204, "image/x-icon", "");
  let text = "";
  request.on("data", (part) => (text += part));
  request.on("end", () => {
    asked.push([request.method ?? "", pathname, text]);
    const [status, type, content] = answers[pathname] ?? [404, "text/plain", ""];
    send(status, type, content);
  });
});

server.on("upgrade", (request, socket) => {
  if (!isUp) return socket.destroy();
  const key = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${key}\r\n\r\n`);
  const frame = (/** @type {number} */ opcode, /** @type {string | Buffer} */ payload) => {
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    const head = bytes.length < 126 ? [bytes.length] : bytes.length < 65536 ? [126, bytes.length >> 8, bytes.length & 255]
      : [127, 0, 0, 0, 0, ...Buffer.from([bytes.length >>> 24, bytes.length >>> 16, bytes.length >>> 8, bytes.length])];
    socket.write(Buffer.concat([Buffer.from([0x80 | opcode, ...head]), bytes]));
  };
  socket.on("error", () => {});
  sockets.push({
    url: new URL(request.url ?? "/", "http://x"),
    send: (patches, cursor) => frame(1, JSON.stringify({ c: cursor, p: patches })),
    close: (code) => { frame(8, Buffer.from([code >> 8, code & 255])); socket.end(); },
    drop: () => socket.destroy(),
  });
});

let origin = "";
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("playwright-core").BrowserContext} */
let context;

before(async () => {
  const agent = await Agent.start({ args: ["run", "--headless"] });
  const login = await (await fetch(`${agent.base}/login`)).text();
  const asset = async (/** @type {string} */ ending) => {
    const path = new RegExp(`/assets/nexus-[0-9a-f]+\\.${ending}`).exec(login)?.[0];
    return (await fetch(`${agent.base}${path}`)).text();
  };
  script = await asset("js");
  style = await asset("css");
  await agent.stop();
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(null)));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  origin = `http://127.0.0.1:${address.port}`;
  browser = await launch();
});
beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 800, height: 600 } });
  context.setDefaultTimeout(10_000);
});
afterEach(() => context.close());
after(async () => {
  await browser?.close();
  server.closeAllConnections();
  server.close();
});

/**
 * Waits until `check` gives something.
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} check
 */
const until = async (what, check) => {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const found = await check();
    if (found) return found;
    assert.ok(Date.now() < deadline, `in time: ${what}`);
    await new Promise((next) => setTimeout(next, 20));
  }
};

/** The newest socket. */
const socket = () => {
  const newest = sockets.at(-1);
  assert.ok(newest);
  return newest;
};

/**
 * Opens a page with `content` and its socket.
 * @param {string} content
 * @param {string} [attributes]
 */
const open = async (content, attributes = `data-live-view="v" data-live-key="k"`) => {
  body = `<body ${attributes}><p id="connection" hidden></p><main id="main" tabindex="-1">${content}</main>`
    + `<div id="announcer" class="unseen" aria-live="polite"></div><div id="toasts" role="status"></div></body>`;
  asked.length = 0;
  sockets.length = 0;
  answers = { "/api/status": [200, "application/json", "{}"] };
  isUp = true;
  const page = await context.newPage();
  /** @type {string[]} */
  const wrong = [];
  page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
  page.on("pageerror", (error) => wrong.push(String(error)));
  await page.goto(origin);
  if (attributes) await until("a socket", () => sockets.length > 0);
  let applied = 0;
  const apply = async (/** @type {Patch[]} */ patches, /** @type {string} */ cursor = "1") => {
    // The frame's own mark tells when it is on the page.
    applied += 1;
    socket().send([...patches, ["s", "connection", `<p id="connection" hidden data-applied="${applied}"></p>`]], cursor);
    await page.waitForSelector(`#connection[data-applied="${applied}"]`, { state: "attached" });
  };
  return { page, apply, wrong };
};

test("a replaced element keeps focus, selection, open details and what is being typed", async () => {
  const { page, apply, wrong } = await open(`<section id="s"><p id="p">one two three</p><button id="b">Old</button>
    <details id="d"><summary>More</summary><p>x</p></details><textarea id="t"></textarea><input id="i" value="a"></section>`);
  await page.click("summary");
  await page.fill("#t", "typed");
  await page.fill("#i", "typed too");
  await page.evaluate(() => window.getSelection().selectAllChildren(document.getElementById("p")));
  await page.focus("#b");
  await apply([["s", "s", `<section id="s" class="new"><p id="p">one two three</p><button id="b">New</button>
    <details id="d"><summary>More</summary><p>y</p></details><textarea id="t"></textarea><input id="i" value="a"></section>`]]);
  assert.deepEqual(await page.evaluate(() => ({
    focus: document.activeElement.id, text: document.getElementById("b").textContent, open: document.getElementById("d").open,
    inside: document.querySelector("#d p").textContent, typed: document.getElementById("t").value, input: document.getElementById("i").value,
    selected: window.getSelection().toString(), name: document.getElementById("s").className,
  })), { focus: "b", text: "New", open: true, inside: "y", typed: "typed", input: "typed too", selected: "one two three", name: "new" });
  assert.deepEqual(wrong, []);
});

test("details follow the server only when it changes its mind", async () => {
  const details = (/** @type {string} */ open) => `<details id="d"${open}><summary>S</summary>x</details>`;
  const { page, apply } = await open(details(""));
  const isOpen = () => page.evaluate(() => document.getElementById("d").open);
  await apply([["s", "d", details("")]]);
  await page.click("summary");
  await apply([["s", "d", details("")]]);
  assert.equal(await isOpen(), true);
  await page.click("summary");
  await apply([["s", "d", details(" open")]]);
  assert.equal(await isOpen(), true);
  await page.click("summary");
  await apply([["s", "d", details(" open")]]);
  assert.equal(await isOpen(), false);
});

test("text is appended to the same text node and never becomes an element", async () => {
  const { page, apply } = await open(`<p id="p">a</p>`);
  await page.evaluate(() => (window.node = document.getElementById("p").firstChild));
  await apply([["t", "p", "<b>b</b>"], ["t", "p", "&amp;"], ["t", "missing", "x"]]);
  assert.deepEqual(await page.evaluate(() => [window.node.data, document.getElementById("p").childNodes.length]), ["a<b>b</b>&amp;", 1]);
});

test("elements are inserted, moved and removed by id", async () => {
  const { page, apply } = await open(`<ul id="l"><li id="a">a</li><li id="b">b</li></ul>`);
  const list = () => page.evaluate(() => [...document.getElementById("l").children].map((item) => `${item.id}:${item.textContent}`).join(" "));
  await page.evaluate(() => (window.b = document.getElementById("b")));
  await apply([["i", "l", "b", `<li id="c">c</li>`], ["i", "l", null, `<li id="d">d</li>`]]);
  assert.equal(await list(), "a:a c:c b:b d:d");
  await apply([["i", "l", "a", `<li id="b">B</li>`], ["r", "c"], ["r", "c"]]);
  assert.equal(await list(), "b:B a:a d:d");
  assert.equal(await page.evaluate(() => window.b === document.getElementById("b")), true);
  await apply([["s", "l", `<ul id="l"><li id="d">d</li><li id="e">e</li><li id="b">B</li></ul>`]]);
  assert.equal(await list(), "d:d e:e b:B");
  assert.equal(await page.evaluate(() => window.b === document.getElementById("b")), true);
});

test("when the focused element goes, the focus goes to its neighbour", async () => {
  const { page, apply } = await open(`<div id="l"><p id="a"><button>A</button></p><p id="b"><button>B</button></p></div>`);
  await page.focus("#a button");
  await apply([["r", "a"]]);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "B");
  await apply([["r", "b"]]);
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});

test("a scroller sticks to its end until the reader leaves it", async () => {
  const lines = (/** @type {number} */ n) => Array.from({ length: n }, (_, at) => `<p id="x${at}">line ${at}</p>`).join("");
  const { page, apply } = await open(`<div id="box" class="card" data-stick tabindex="0">${lines(60)}</div><button id="box-below" class="pill" data-to-end="box" hidden>New below</button>`);
  await page.evaluate(() => { const sheet = new CSSStyleSheet(); sheet.replaceSync("#box{height:300px;overflow:auto;overflow-anchor:none}"); document.adoptedStyleSheets = [sheet]; });
  const rest = () => page.evaluate(() => { const b = document.getElementById("box"); return Math.round(b.scrollHeight - b.scrollTop - b.clientHeight); });
  await apply([["a", "box", `<p>first</p>`]]);
  assert.equal(await rest(), 0);
  await apply([["a", "box", `<p id="grow">second</p>`]]);
  await apply([["t", "grow", " word".repeat(400)]]);
  assert.equal(await rest(), 0);
  assert.equal(await page.isVisible("#box-below"), false);
  await page.hover("#box");
  await page.mouse.wheel(0, -600);
  await until("left the end", async () => (await rest()) > 400);
  const place = await page.evaluate(() => document.getElementById("box").scrollTop);
  await apply([["a", "box", `<p>third</p>`]]);
  assert.equal(await page.evaluate(() => document.getElementById("box").scrollTop), place);
  assert.equal(await page.isVisible("#box-below"), true);
  // Older lines above move nothing that is being read.
  const top = await page.evaluate(() => document.getElementById("x50").getBoundingClientRect().top);
  await apply([["i", "box", "x0", `<div id="older">${"<p>older</p>".repeat(30)}</div>`]]);
  assert.equal(Math.round(await page.evaluate(() => document.getElementById("x50").getBoundingClientRect().top)), Math.round(top));
  await page.click("#box-below");
  assert.equal(await rest(), 0);
  assert.equal(await page.isVisible("#box-below"), false);
});

test("a lost connection is told, then mended from the last cursor", async () => {
  const { page, apply, wrong } = await open(`<p id="p">a</p>`, `data-live-view="chat" data-live-key="ses_1" data-live-cursor="7"`);
  assert.equal(socket().url.search, "?view=chat&key=ses_1&cursor=7");
  await apply([["t", "p", "b"]], "8");
  isUp = false;
  socket().drop();
  await page.waitForSelector("#connection:not([hidden])");
  assert.match(await page.innerText("#connection"), /connection is lost/);
  isUp = true;
  const again = await until("a new socket", () => sockets[1]);
  assert.equal(again.url.searchParams.get("cursor"), "8");
  again.send([["t", "p", "c"]], "9");
  await page.waitForSelector("#connection", { state: "hidden" });
  assert.equal(await page.textContent("#p"), "abc");
  assert.equal(await page.evaluate(() => document.body.dataset.link), "up");
  assert.ok(wrong.every((text) => text.includes("WebSocket")), wrong.join());
});

for (const [what, code] of /** @type {const} */ ([["view", 4000], ["session", 4001]])) {
  test(`a page whose ${what} has ended loads itself again`, async () => {
    const { apply } = await open(`<p>a</p>`);
    await apply([]);

    socket().close(code);
    await until("a reload", () => asked.filter((one) => one === "page").length > 1);
  });
}

test("a handshake refused for want of a session loads the page again", async () => {
  const { apply } = await open(`<p>a</p>`);
  await apply([]);
  answers["/api/status"] = [401, "application/json", "{}"];
  isUp = false;

  socket().drop();
  await until("a reload", () => asked.filter((one) => one === "page").length > 1);
});

test("the page asks whether a silent connection is alive when it comes back", async () => {
  const { page, apply } = await open(`<p>a</p>`);
  await apply([]);
  await page.evaluate(() => window.dispatchEvent(new Event("online")));
  // Nothing answers: a new socket follows.
  await until("a second socket", () => sockets.length === 2);
});

test("forms are sent without a new page, and a refusal is said", async () => {
  const { page } = await open(`<form method="post" action="/do" data-inline data-reset><input name="a" value=""><button name="b" value="2">Go</button></form>`);
  answers["/do"] = [200, "application/json", `{"message":"Done."}`];
  await page.fill("input", "ä b");
  await page.click("button");
  await page.waitForSelector(".toast");
  assert.match(await page.innerText(".toast"), /Done\./);
  assert.deepEqual(asked.find(([method]) => method === "POST"), ["POST", "/do", "a=%C3%A4+b&b=2"]);
  assert.equal(await page.inputValue("input"), "");
  answers["/do"] = [409, "application/json", `{"error":{"code":"x","message":"opencode is <b>busy</b>."}}`];
  await page.click("form button");
  await until("the refusal", async () => (await page.innerText("#toasts")).includes("opencode is <b>busy</b>."));
  assert.equal(asked.filter((one) => one === "page").length, 1);
});

test("keys press what they name, and ? lists them", async () => {
  const { page } = await open(`<a id="a" href="#there" data-key="g d" data-key-label="Go to Dashboard">D</a><input id="i" data-key="/" data-key-label="Find">`);
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "i");
  await page.keyboard.type("g d");
  assert.equal(new URL(page.url()).hash, "");
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  assert.equal(new URL(page.url()).hash, "#there");
  await page.keyboard.press("?");
  assert.match(await page.innerText("dialog"), /Go to Dashboard[^]*Find[^]*One step back/);
  await page.click("dialog label");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.evaluate(() => (location.hash = ""));
  await page.keyboard.press("g");
  await page.keyboard.press("d");
  assert.equal(new URL(page.url()).hash, "");
  await page.evaluate(() => localStorage.clear());
});

test("finished texts are read out once", async () => {
  const { page, apply } = await open(`<div id="m"><p data-announce>old</p></div>`);
  const said = () => page.evaluate(() => [...document.getElementById("announcer").children].map((line) => line.textContent));
  await apply([["a", "m", `<p id="n">grow</p>`]]);
  assert.deepEqual(await said(), []);
  await apply([["s", "n", `<p id="n" data-announce>grown</p>`]]);
  await apply([["s", "n", `<p id="n" data-announce>grown</p>`]]);
  assert.deepEqual(await said(), ["grown"]);
});

test("times stay true and show the local time", async () => {
  const stamp = new Date(Date.now() - 90_000).toISOString();
  const { page, apply } = await open(`<time id="t" datetime="${stamp}" data-ago="ago">x</time>`);
  assert.equal(await page.textContent("#t"), "1 min ago");
  assert.ok(await page.getAttribute("#t", "title"));
  const soon = new Date(Date.now() + 60_500).toISOString();
  await apply([["s", "main", `<main id="main" tabindex="-1"><time id="u" datetime="${soon}" data-ago="until">in 9 min</time></main>`]]);
  assert.match(await page.innerText("#u"), /in (1 min|60 s|59 s)/);
});

test("copying puts the text into the clipboard", async () => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const { page } = await open(`<figure><pre><code>let x = "&lt;b&gt;";</code></pre><button data-copy-from="code"><span>Copy</span></button></figure><button id="direct" data-copy="direct"><span>Copy</span></button>`);
  await page.click("figure button");
  await until("the mark", async () => (await page.textContent("figure button")) === "Copied");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `let x = "<b>";`);
  await page.click("#direct");
  await until("the text", async () => (await page.evaluate(() => navigator.clipboard.readText())) === "direct");
  await until("the word again", async () => (await page.textContent("figure button")) === "Copy");
});

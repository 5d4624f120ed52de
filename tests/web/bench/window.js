// From the click to a painted chat, beside a bare window of the same kind. Both cold, in homes nobody has used yet (what
// a web engine keeps there makes it start in half the time), on a display of their own.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { Agent, Model, freshHome, until } from "../lib/agent.js";
import { display } from "../lib/display.js";
import { nexus } from "../lib/tools.js";
import { quantile } from "./conversation.js";

const runs = 5;
/** A painted page has text, and text has edges of many shades; an empty one has a few flat colours. */
const shades_min = 24;
const run = promisify(execFile);

/** How many colours the display shows. @param {NodeJS.ProcessEnv} env */
async function shades(env) {
  const args = ["-window", "root", "-crop", "400x400+40+120", "-format", "%k", "info:"];
  const { stdout } = await run("import", args, { env });
  return Number(stdout);
}

/** @param {NodeJS.ProcessEnv} env */
const painted = (env) => until("a painted window", async () => (await shades(env)) >= shades_min);

/** @param {NodeJS.ProcessEnv} env */
const cleared = (env) => until("an empty display", async () => (await shades(env)) < shades_min);

/** @param {Record<string, string>} leads to the display */
async function bare(leads) {
  const { home, env } = freshHome(leads);
  const page = `<!doctype html><title>Bare</title><body style="font:20px sans-serif">${"<p>Words on a bare page.".repeat(30)}`;
  const server = createServer((request, answer) => {
    if (request.url?.startsWith("/enter")) answer.writeHead(303, { location: "/" }).end();
    else answer.writeHead(200, { "content-type": "text/html" }).end(page);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const folder = join(home, "window");
  const began = performance.now();
  const child = spawn(`${nexus}-window`, ["--data", folder], { env, stdio: ["pipe", "pipe", "ignore"] });
  const wish = { say: "open", name: "bare", origin: `http://127.0.0.1:${address.port}`, path: "/", ticket: "none", place: null };
  child.stdin.write(`${JSON.stringify(wish)}\n`);
  // As `nexus open` does: a picture of the display taken earlier would only slow down what is measured.
  await once(child.stdout, "data");
  await painted(env);
  const took = performance.now() - began;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.stdin.end();
  await ended;
  server.close();
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  await cleared(env);
  return took;
}

/** @param {Record<string, string>} leads to the display */
async function chat(leads) {
  const env = { ...process.env, ...leads };
  const model = await Model.start();
  const agent = await Agent.start({
    model,
    args: ["run", "--background"],
    env: leads,
  });
  try {
    await agent.healthy();
    const began = performance.now();
    await agent.nexus("open", "chat");
    await painted(env);
    return performance.now() - began;
  } finally {
    await agent.stop();
    await model.stop();
    await cleared(env);
  }
}

export async function windows() {
  const { env: leads, end } = await display("480x760");
  try {
    /** @type {number[]} */
    const bareTimes = [];
    /** @type {number[]} */
    const chatTimes = [];
    for (let count = 0; count < runs; count += 1) {
      bareTimes.push(await bare(leads));
      chatTimes.push(await chat(leads));
    }
    const reference = quantile(bareTimes);
    return [
      {
        what: "click to chat painted, beyond a bare window",
        figure: quantile(chatTimes) - reference,
        unit: "ms",
        bar: 150,
        beside: `${quantile(chatTimes).toFixed(0)} ms beside a bare window's ${reference.toFixed(0)} ms`,
        binding: true,
      },
    ];
  } finally {
    await end();
  }
}

// A server of somebody else's: this program did not start it and does not keep it running.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Agent, environment, until } from "./agent.js";
import { opencode } from "./tools.js";

/** @typedef {import("./agent.js").Model} Model */

const password = "the password of somebody else's server";
const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`;

/**
 * An agent that uses a server at this port.
 * @param {number} port
 * @param {import("./agent.js").Wish} [wish]
 */
export async function agentOf(port, wish = {}) {
  // It looks again every ten seconds, and at once when it is told of another place: first the password, then the place.
  const agent = await Agent.start({ ...wish, opencode: 'external_url = "http://127.0.0.1:9"', settings: "[secrets]\nfile = true" });
  await agent.nexusWithInput(password, "secret", "set", "opencode-password");
  await agent.nexus("settings", "set", "opencode.external_url", `http://127.0.0.1:${port}`);
  await until("the server to be found", async () => (await agent.status()).modules.opencode.state === "healthy");
  return agent;
}

/** Starts one. @param {Model} model */
export async function server(model) {
  const home = mkdtempSync(join(tmpdir(), "nexus-theirs-"));
  const project = join(home, "elsewhere");
  mkdirSync(project);
  const config = /OPENCODE_CONFIG_CONTENT\s*=\s*'([^']*)'/.exec(await environment(model.address))?.[1];
  assert.ok(config, "the model's settings are as they were");
  const settings = JSON.parse(config);
  settings.permission = { bash: "ask" };
  const child = spawn(opencode, ["serve", "--hostname", "127.0.0.1", "--port", "0"], {
    cwd: home,
    env: {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: home,
      OPENCODE_SERVER_PASSWORD: password,
      OPENCODE_CONFIG_CONTENT: JSON.stringify(settings),
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
      OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
      npm_config_registry: "http://127.0.0.1:9",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  let base = "";
  for await (const line of lines) {
    base = /(http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1] ?? "";
    if (base) break;
  }
  child.stdout.resume();
  /** @param {string} path @param {object} [body] */
  const call = async (path, body) => {
    const headers = { authorization, "content-type": "application/json" };
    const separator = path.includes("?") ? "&" : "?";
    const answer = await fetch(
      `${base}${path}${separator}directory=${encodeURIComponent(project)}`,
      body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers },
    );
    assert.ok(answer.ok, `${path}: ${answer.status}`);
    return answer.status === 204 ? undefined : answer.json();
  };
  const end = async () => {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  };
  return { port: Number(new URL(base).port), project, call, end };
}

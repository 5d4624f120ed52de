// A scripted model and an agent, as a user starts them, in a folder of their own.
import { spawn, execFile } from "node:child_process";
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { fakeModel, nexus, opencode } from "./tools.js";

const run = promisify(execFile);

/** How long anything may take that is not itself measured. */
export const patience_ms = 60_000;
/** Nothing listens there: what goes out fails at once. */
const nowhere = "http://127.0.0.1:9";

/**
 * Looks until there is something.
 * @template T
 * @param {string} what
 * @param {() => Promise<T | undefined | null | false> | T | undefined | null | false} look
 * @param {number} [limit_ms]
 * @returns {Promise<T>}
 */
export async function until(what, look, limit_ms = patience_ms) {
  const end = Date.now() + limit_ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${limit_ms / 1000} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Starts a program and gives its first line that fits.
 * @param {string} program
 * @param {string[]} args
 * @param {RegExp} wanted
 * @param {import("node:child_process").SpawnOptions} options
 */
export async function start(program, args, wanted, options) {
  const child = spawn(program, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
  /** @type {string[]} */
  const said = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on("line", (line) => said.push(line));
  }
  const found = await until(`${program} to say ${wanted}`, () => {
    if (child.exitCode !== null) throw new Error(`${program} ended: ${said.join("\n")}`);
    for (const line of said) {
      const match = wanted.exec(line);
      if (match?.[1]) return match[1];
    }
    return undefined;
  });
  return { child, said, found };
}

/**
 * The setting `opencode.env` for a model at this address.
 * @param {string} address
 */
export async function environment(address) {
  const { stdout } = await run(fakeModel, ["--config", address]);
  return stdout.trim();
}

/**
 * A home nobody has used yet, and the variables of a program that lives there and reaches nobody.
 * @param {Record<string, string>} [more] variables, e.g. the display
 * @returns {{home: string, env: Record<string, string>}}
 */
export function freshHome(more = {}) {
  const home = mkdtempSync(join(tmpdir(), "nexus-web-"));
  const user = join(home, "user");
  for (const part of ["nexus", "user", "runtime", "projects/shop"]) {
    mkdirSync(join(home, part), { recursive: true, mode: 0o700 });
  }
  writeFileSync(join(home, "projects/shop/README.md"), "# Shop\n\nSells things.\n");
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    LANG: "C.UTF-8",
    SHELL: "/bin/sh",
    NEXUS_HOME: join(home, "nexus"),
    HOME: user,
    XDG_CONFIG_HOME: join(user, ".config"),
    XDG_DATA_HOME: join(user, ".local/share"),
    XDG_STATE_HOME: join(user, ".local/state"),
    XDG_CACHE_HOME: join(user, ".cache"),
    XDG_RUNTIME_DIR: join(home, "runtime"),
    ...Object.fromEntries(
      ["MODELS_FETCH", "AUTOUPDATE", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "SHARE"].map((what) => [
        `OPENCODE_DISABLE_${what}`,
        "1",
      ]),
    ),
    ...Object.fromEntries(
      ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "npm_config_registry"].map((name) => [name, nowhere]),
    ),
    NO_PROXY: "127.0.0.1,localhost",
    no_proxy: "127.0.0.1,localhost",
    ...more,
  };
  return { home, env };
}

/** @typedef {{child: import("node:child_process").ChildProcess, said: string[], found: string}} Started */

/** A running scripted model. It ends with its standard input. */
export class Model {
  /** @param {Started} started */
  constructor(started) {
    this.child = started.child;
    this.address = started.found;
  }

  static async start() {
    return new Model(await start(fakeModel, [], /^listening (\S+)/, {}));
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.stdin?.end();
    await ended;
  }
}

/**
 * @typedef {object} Wish
 * @property {Model} [model] opencode's only model
 * @property {string} [settings] more tables of the settings file
 * @property {string} [opencode] more keys of its table `[opencode]`
 * @property {string[]} [args] instead of `run --headless --demo`
 * @property {Record<string, string>} [env] more variables, e.g. the display
 */

/** An agent in a home of its own. */
export class Agent {
  /**
   * @param {Started} started
   * @param {string} home
   * @param {Record<string, string>} env
   */
  constructor(started, home, env) {
    this.child = started.child;
    this.said = started.said;
    this.base = started.found;
    this.home = home;
    this.env = env;
  }

  /** @param {Wish} wish */
  static async start(wish = {}) {
    const { home, env } = freshHome(wish.env);
    const text = JSON.stringify;
    const lines = ["[opencode]", `path = ${text(opencode)}`, 'ask = "commands_and_edits"', wish.opencode ?? ""];
    if (wish.model) lines.push(`env = ${await environment(wish.model.address)}`);
    lines.push("[chat]", `projects = [${text(join(home, "projects/shop"))}]`, wish.settings ?? "");
    writeFileSync(join(home, "nexus/settings.toml"), `${lines.join("\n")}\n`);
    const args = wish.args ?? ["run", "--headless", "--demo"];
    if (args.includes("--headless")) {
      return new Agent(await start(nexus, args, /^nexus ready (\S+)/, { env, cwd: home }), home, env);
    }
    // With a desktop nothing is printed: the status tells when it serves.
    const child = spawn(nexus, args, { env, cwd: home, stdio: ["pipe", "ignore", "ignore"] });
    const found = await until("the agent to serve", async () => {
      const { stdout } = await run(nexus, ["status", "--json"], { env, cwd: home }).catch(() => ({ stdout: "{}" }));
      return /** @type {string | undefined} */ (JSON.parse(stdout).gateway?.local_url);
    });
    return new Agent({ child, said: [], found }, home, env);
  }

  /** The project folder the chat begins with. */
  get project() {
    return join(this.home, "projects/shop");
  }

  /**
   * The command line against this agent.
   * @param {...string} args
   */
  async nexus(...args) {
    const { stdout } = await run(nexus, args, { env: this.env, cwd: this.home });
    return stdout.trim();
  }

  /**
   * The command line with something to read.
   * @param {string} input
   * @param {...string} args
   */
  async nexusWithInput(input, ...args) {
    const running = run(nexus, args, { env: this.env, cwd: this.home });
    running.child.stdin?.end(input);
    return (await running).stdout.trim();
  }

  /** The object of `nexus status --json`. */
  async status() {
    return JSON.parse(await this.nexus("status", "--json"));
  }

  /** Waits until opencode answers, and gives its process id. */
  async healthy() {
    return until("opencode to be healthy", async () => {
      const { opencode } = (await this.status()).modules;
      return opencode?.state === "healthy" ? /** @type {number} */ (opencode.pid) : undefined;
    });
  }

  /**
   * A link that enters once.
   * @param {string} [page]
   */
  async link(page = "chat") {
    const said = await this.nexus("open", page, "--print-url");
    const link = /http:\S+/.exec(said)?.[0];
    if (!link) throw new Error(`no link in: ${said}`);
    return link;
  }

  /** Quits and fails when something is left running. */
  async stop() {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    if (this.child.exitCode === null) {
      await this.nexus("quit", "--now").catch(() => this.child.kill("SIGTERM"));
      await ended;
    }
    const left = await until("everything to end", () => [survivors(this.home)].find((pids) => pids.length === 0), 10_000)
      .then(() => [])
      .catch(() => survivors(this.home));
    for (const pid of left) process.kill(pid, "SIGKILL");
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
    if (left.length) throw new Error(`left running: ${left.join(" ")}`);
  }
}

/**
 * Everything alive whose environment or command line names the folder.
 * @param {string} home
 */
export function survivors(home) {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) =>
      ["environ", "cmdline"].some((file) => {
        try {
          return readFileSync(`/proc/${pid}/${file}`).includes(home);
        } catch {
          return false;
        }
      }),
    );
}

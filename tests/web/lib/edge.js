// Cloudflare as a browser meets it: an edge on loopback behind every public name, and a cloudflared that leads there.
import { X509Certificate, createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "./agent.js";
import { chromium, fakeCloudflared, fakeEdge, playwright } from "./tools.js";

/** A running edge. It ends with its standard input. */
export class Edge {
  /** @param {import("./agent.js").Started} started @param {string} folder */
  constructor(started, folder) {
    this.child = started.child;
    this.folder = folder;
    /** @type {{http: string, https: string, tunnel: string, control: string}} */
    this.addresses = JSON.parse(started.found);
  }

  static async start() {
    const folder = mkdtempSync(join(tmpdir(), "nexus-edge-"));
    const started = await start(fakeEdge, ["--ca", join(folder, "ca.pem")], /^(\{.*\})$/, {});
    return new Edge(started, folder);
  }

  /** The table of an agent's settings that has it use a cloudflared of its own, which leads here. */
  settings() {
    const program = join(this.folder, "cloudflared");
    copyFileSync(fakeCloudflared, program);
    chmodSync(program, 0o755);
    const { tunnel, control } = this.addresses;
    writeFileSync(`${program}.script`, `scale=0.1 edge=${tunnel} quick_service=${control}\n`);
    return `[tunnel]\npath = ${JSON.stringify(program)}\n`;
  }

  /** A browser anywhere in the world: every name leads to the edge, whose authority it trusts. */
  browser() {
    const authority = new X509Certificate(readFileSync(join(this.folder, "ca.pem")));
    const key = authority.publicKey.export({ type: "spki", format: "der" });
    const trusted = createHash("sha256").update(key).digest("base64");
    return playwright.chromium.launch({
      executablePath: chromium,
      args: [
        "--disable-gpu",
        "--no-proxy-server",
        `--host-resolver-rules=MAP * ${this.addresses.https}`,
        `--ignore-certificate-errors-spki-list=${trusted}`,
      ],
    });
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.stdin?.end();
    await ended;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

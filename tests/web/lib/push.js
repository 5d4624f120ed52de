// A browser vendor's push service, and what a browser does with what it carries: checks who sent it, and opens it.
import assert from "node:assert/strict";
import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { start, until } from "./agent.js";
import { fakePush, httpEce } from "./tools.js";

/** @typedef {{path: string, headers: Record<string, string>, body: string}} Pushed */
/** @typedef {{title: string, body: string, tag: string, page: string, buttons: {press: string, label: string}[]}} Message */

/** A running service. It ends with its standard input. */
export class PushService {
  /** @param {import("./agent.js").Started} started @param {string} folder */
  constructor(started, folder) {
    this.child = started.child;
    this.folder = folder;
    /** @type {string} */
    this.address = JSON.parse(started.found).https;
    /** @type {Pushed[]} */
    this.pushed = [];
    if (this.child.stdout) createInterface({ input: this.child.stdout }).on("line", (line) => this.pushed.push(JSON.parse(line)));
  }

  static async start() {
    const folder = mkdtempSync(join(tmpdir(), "nexus-push-"));
    const started = await start(fakePush, ["--ca", join(folder, "ca.pem")], /^(\{"https".*\})$/, {});
    return new PushService(started, folder);
  }

  /** What has an agent know and trust it. */
  env() {
    return { NEXUS_TEST_PUSH: this.address, SSL_CERT_FILE: join(this.folder, "ca.pem") };
  }

  /** The message that came as the `number`th. @param {number} number */
  take(number) {
    return until(`message ${number}`, () => this.pushed[number - 1]);
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.stdin?.end();
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A browser's subscription: what it gives away, and what it keeps. */
export class Subscription {
  /** @param {PushService} service @param {string} name */
  constructor(service, name) {
    this.keys = createECDH("prime256v1");
    this.keys.generateKeys();
    this.auth = randomBytes(16);
    this.origin = `https://${service.address}`;
    this.endpoint = `${this.origin}/201/${name}`;
  }

  toJSON() {
    const keys = { p256dh: this.keys.getPublicKey("base64url"), auth: this.auth.toString("base64url") };
    return { endpoint: this.endpoint, expirationTime: null, keys };
  }

  /**
   * What a message says, once it is known to be from whoever holds the key the browser subscribed with.
   * @param {Pushed} pushed
   * @param {string} applicationServerKey
   * @returns {Message}
   */
  open({ headers, body }, applicationServerKey) {
    const [, token = "", key] = /^vapid t=([\w.-]+), k=([\w-]+)$/.exec(headers["authorization"] ?? "") ?? [];
    assert.equal(key, applicationServerKey);
    const point = Buffer.from(applicationServerKey, "base64url");
    const jwk = { kty: "EC", crv: "P-256", x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") };
    const [head = "", claims = "", signature = ""] = token.split(".");
    const signer = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: /** @type {const} */ ("ieee-p1363") };
    assert.ok(verify("sha256", Buffer.from(`${head}.${claims}`), signer, Buffer.from(signature, "base64url")));
    const { aud, exp, sub } = JSON.parse(Buffer.from(claims, "base64url").toString());
    assert.equal(aud, this.origin);
    assert.ok(exp > Date.now() / 1000 && exp <= Date.now() / 1000 + 86_400, `${exp}`);
    assert.match(sub, /^https:\/\//);
    const opened = httpEce.decrypt(Buffer.from(body, "base64"), { version: "aes128gcm", privateKey: this.keys, authSecret: this.auth });
    return JSON.parse(opened.toString());
  }
}

// Browser profiles on disk: what a person's device is to Composer. A profile can be closed, killed and opened
// again; a context made by `newContext()` would keep OPFS in memory only.
import { once } from "node:events";
import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { chromium } from "playwright-core";
import { hub } from "./network.mjs";
import { outDir } from "./server.mjs";

const executable = process.env.CHROMIUM || "/usr/bin/chromium";

const FLAGS = [
  "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
  "--disable-gpu", "--disable-quic",
  // Hidden tabs run at full speed: a test looks at one page while another works.
  "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
];

export class Profile {
  context = null;
  /** Console errors and uncaught exceptions of all pages, for the report of a failing test. */
  problems = [];

  /**
   * `name` is for pictures. With a `network`, the browser lives in that namespace and reaches the server at the
   * hub's address, which it is told to treat like https (as `localhost` is).
   */
  constructor(name, { network = null, viewport = { width: 1280, height: 800 }, colorScheme = "light", locale = "en-GB", touch = false } = {}) {
    this.name = name;
    this.network = network;
    this.options = { viewport, colorScheme, locale, hasTouch: touch, isMobile: touch };
    this.dir = mkdtempSync(join(tmpdir(), "dxos-e2e-"));
  }

  static async open(name, options) {
    const profile = new Profile(name, options);
    await profile.open();
    return profile;
  }

  /** Where this browser finds the server. */
  urlOf(server) {
    return this.network ? `http://${hub}:${server.port}` : server.url;
  }

  /** Starts the browser on this profile's folder; `server` names the origin a namespaced browser must trust. */
  async open(server = null) {
    const trusted = this.network && server ? [`--unsafely-treat-insecure-origin-as-secure=${this.urlOf(server)}`] : [];
    this.context = await chromium.launchPersistentContext(this.dir, {
      executablePath: this.network ? this.network.wrap(executable) : executable,
      headless: true,
      args: [...FLAGS, ...trusted],
      ...this.options,
    });
    this.context.setDefaultTimeout(30_000);
    this.context.on("page", (page) => this.#listen(page));
    for (const page of this.context.pages()) this.#listen(page);
    return this;
  }

  #listen(page) {
    page.on("pageerror", (error) => this.problems.push(`${this.name}: ${error.stack ?? error}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.problems.push(`${this.name}: ${message.text()}`);
    });
  }

  /** A page at `url`. */
  async goto(url) {
    const page = await this.context.newPage();
    await page.goto(url);
    return page;
  }

  /** Ends the browser as a person would. */
  async close() {
    await this.context?.close();
    this.context = null;
  }

  /** Ends all its processes at once (SIGKILL), as a power cut would. */
  async kill() {
    const closed = once(this.context, "close");
    for (const pid of this.#processes()) {
      try { process.kill(pid, "SIGKILL"); } catch { /* gone already */ }
    }
    await closed;
    this.context = null;
  }

  /** Every process started for this profile: its folder stands in their command lines. */
  #processes() {
    return this.processes().map((line) => Number.parseInt(line, 10)).filter((pid) => pid !== process.pid);
  }

  /** The same with their command lines: `PID ARGUMENTS`. */
  processes() {
    const list = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
    return list.split("\n").filter((line) => line.includes(this.dir) && !line.includes("ps -eo"));
  }

  async remove() {
    await this.close().catch(() => {});
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** Each test file is a process: its name keeps the pictures of several apart. */
const story = basename(process.argv[1] ?? "page").replace(/\.test\.mjs$/, "");
let pictures = 0;

/** A picture in e2e/out, numbered in the order taken. */
export async function picture(page, name) {
  mkdirSync(outDir, { recursive: true });
  pictures += 1;
  const path = join(outDir, `${story}-${String(pictures).padStart(2, "0")}-${name}.png`);
  await page.screenshot({ path });
  return path;
}

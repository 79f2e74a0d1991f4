// A `dx` server as a child process: started, killed, started again on the same port.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const outDir = join(root, "e2e/out");

/** The `dx` under test: `$DX`, or the release build. */
export const dx = process.env.DX ?? join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "release/dx");

export class Server {
  #child = null;
  #arguments;
  log = "";

  /** `port` 0 takes a free one; a restart keeps it. `tap` records every frame to that file. */
  constructor({ port = 0, dist = null, tap = null } = {}) {
    this.port = port;
    this.tap = tap;
    this.#arguments = ["serve", "--verbose", ...(dist ? ["--dist", dist] : []), ...(tap ? ["--tap", tap] : [])];
  }

  static async start(options) {
    const server = new Server(options);
    await server.start();
    return server;
  }

  /** The address people use; also the origin that owns their data. */
  get url() {
    return `http://localhost:${this.port}`;
  }

  async start() {
    mkdirSync(outDir, { recursive: true });
    const child = spawn(dx, [...this.#arguments, "--port", String(this.port)], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    child.stderr.on("data", (data) => { this.log += data; });
    const url = await new Promise((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        this.log += `${line}\n`;
        if (line.startsWith("http://localhost:")) resolve(line);
      });
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`dx serve ended with ${code}: ${this.log}`)));
    });
    this.port = Number(new URL(url).port || 80);
  }

  get running() {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends the process; SIGKILL is a crash, SIGTERM is what an operator does. */
  async stop(signal = "SIGTERM") {
    if (!this.running) return;
    const ended = once(this.#child, "exit");
    this.#child.kill(signal);
    await ended;
  }

  kill() {
    return this.stop("SIGKILL");
  }

  /** The counters: `relayed_bytes` is 0 as long as all peers talk directly. */
  async stats() {
    const answer = await fetch(`${this.url}/stats`);
    return answer.json();
  }

  /** All bytes recorded so far. */
  tapped() {
    return readFileSync(this.tap);
  }
}

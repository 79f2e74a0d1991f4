// A `dx` profile in a folder of its own, used from the command line.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { dx } from "./server.mjs";

export class NativePeer {
  #children = [];

  constructor(server) {
    this.dir = mkdtempSync(join(tmpdir(), "dxos-e2e-dx-"));
    this.common = ["--profile", join(this.dir, "profile"), "--server", server.url];
  }

  /** Runs one command to its end; gives what it printed. */
  async run(...words) {
    const { stdout } = await promisify(execFile)(dx, [...words, ...this.common], { timeout: 90_000 });
    return stdout;
  }

  /** Starts a command that stays. */
  spawn(...words) {
    const child = spawn(dx, [...words, ...this.common], { stdio: ["ignore", "pipe", "pipe"] });
    const running = {
      said: "",
      stop: async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, "exit");
        child.kill("SIGINT");
        await ended;
      },
    };
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => { running.said += data; });
    this.#children.push(running);
    return running;
  }

  async remove() {
    for (const child of this.#children) await child.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

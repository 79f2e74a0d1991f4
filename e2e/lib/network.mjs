// Networks of single browsers: a namespace with one link to the hub, which can be taken down.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether this run has namespaces (see run.mjs). */
export const namespaces = process.env.E2E_NETWORK === "namespaces";

/** Address of the hub, where servers and browsers without a namespace live. */
export const hub = namespaces ? "10.77.0.1" : "127.0.0.1";

let made = 0;
const ip = (...words) => execFileSync("ip", words, { stdio: "pipe" });

export class Network {
  /** A namespace of its own, link up. Only where `namespaces` is true. */
  constructor() {
    made += 1;
    this.name = `b${made}`;
    this.address = `10.77.0.${made + 1}`;
    this.link = `v${made}`;
    ip("netns", "add", this.name);
    ip("link", "add", this.link, "type", "veth", "peer", "name", "eth0", "netns", this.name);
    ip("link", "set", this.link, "master", "br0");
    ip("link", "set", this.link, "up");
    this.#inside("ip", "link", "set", "lo", "up");
    this.#inside("ip", "addr", "add", `${this.address}/24`, "dev", "eth0");
    this.#inside("ip", "link", "set", "eth0", "up");
    this.#inside("ip", "route", "add", "default", "via", hub);
    this.dir = mkdtempSync(join(tmpdir(), "dxos-e2e-net-"));
  }

  #inside(...words) {
    return execFileSync("ip", ["netns", "exec", this.name, ...words], { stdio: "pipe" });
  }

  /** Path of a program that runs `program` inside. */
  wrap(program) {
    const path = join(this.dir, "run");
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${this.name} '${program}' "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** Pulls the plug: packets are lost both ways, nobody is told. */
  cut() {
    ip("link", "set", this.link, "down");
  }

  restore() {
    ip("link", "set", this.link, "up");
  }

  remove() {
    ip("netns", "delete", this.name);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

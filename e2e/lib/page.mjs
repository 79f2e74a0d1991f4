// What tests ask of a page: facts, awaited, never a fixed pause.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Waits until `check` gives something true; its last error or value is in the message otherwise. */
export async function until(what, check, { timeout = 20_000, every = 50 } = {}) {
  const deadline = Date.now() + timeout;
  let last;
  for (;;) {
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${timeout} ms: ${what} (last: ${last?.stack ?? JSON.stringify(last)})`);
    await new Promise((resolve) => { setTimeout(resolve, every); });
  }
}

/** Proves that `read` gives the same for `ms`: what a cut network must look like. */
export async function stays(what, read, ms) {
  const first = JSON.stringify(await read());
  const deadline = Date.now() + ms;
  while (Date.now() < deadline) {
    const now = JSON.stringify(await read());
    if (now !== first) throw new Error(`${what} changed: ${first} -> ${now}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

/** The service worker holds the whole app: it starts without a network from now on. */
export function offlineReady(page) {
  return page.waitForFunction(() => document.documentElement.dataset.offline === "ready");
}

/**
 * Makes `window.__peerConnections` hold every RTCPeerConnection of the pages to come, so that `selectedPairs` can
 * ask them. Call before the first page is opened.
 */
export function watchPeerConnections(context) {
  return context.addInitScript(() => {
    const made = [];
    Object.defineProperty(window, "__peerConnections", { value: made });
    const Original = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Original {
      constructor(...config) {
        super(...config);
        made.push(this);
      }
    };
  });
}

/** The candidate pairs that carry data now: [{local, remote, bytes}]. Empty = no WebRTC connection. */
export function selectedPairs(page) {
  return page.evaluate(async () => {
    const pairs = [];
    for (const connection of window.__peerConnections ?? []) {
      if (connection.connectionState !== "connected") continue;
      const stats = await connection.getStats();
      for (const transport of [...stats.values()].filter((one) => one.type === "transport")) {
        const pair = stats.get(transport.selectedCandidatePairId);
        if (!pair) continue;
        pairs.push({
          local: stats.get(pair.localCandidateId)?.candidateType,
          remote: stats.get(pair.remoteCandidateId)?.candidateType,
          bytes: pair.bytesSent + pair.bytesReceived,
        });
      }
    }
    return pairs;
  });
}

/** Accessibility faults found by axe, as lines. */
export async function axe(page, rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]) {
  // Colours under way are nobody's colours: what still fades in is waited for.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((one) => one.effect?.getComputedTiming().iterations !== Infinity).map((one) => one.finished)));
  // Evaluated by the debugger, not added as a script: the page's policy forbids the latter.
  await page.evaluate(readFileSync(axePath, "utf8"));
  const { violations } = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: "tag", values } }), rules);
  return violations.map(({ id, impact, nodes }) => `${id} (${impact}): ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
}

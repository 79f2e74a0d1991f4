// Measurements of a page, for tests that enforce a bar and for the benchmarks.
import { toEnd } from "./composer.mjs";
import { until } from "./page.mjs";

/**
 * Bytes of the first load of an app, as sent: every file it keeps, and the service worker. `unasked: false` leaves out the
 * parts of its module that this page has not asked for: what is loaded until a fresh page can be used, without what a press
 * loads.
 */
export function firstLoadBytes(page, app = "", { unasked = true } = {}) {
  // Workers load outside the page's own network log, so every file is asked for once.
  return page.evaluate(async ([app, unasked]) => {
    const asked = new Set(performance.getEntriesByType("resource").map((entry) => new URL(entry.name).pathname.slice(1)));
    const isPart = (name) => /(^|\/)(split|chunk)_[\w-]+\.wasm$/.test(name);
    performance.setResourceTimingBufferSize(1000);
    const { apps, files } = await (await fetch("/assets.json")).json();
    const own = Object.keys(files).filter((name) => apps[app].includes(files[name].group) && (unasked || !isPart(name) || asked.has(name)));
    let sum = 0;
    for (const name of [...own, "sw.js"]) {
      const address = `/${name}?measured`;
      await (await fetch(address, { cache: "no-store" })).arrayBuffer();
      sum += performance.getEntriesByName(new URL(address, location.href).href).at(-1).encodedBodySize;
    }
    return sum;
  }, [app, unasked]);
}

/** The value at `part` (0 to 1) of the sorted values. */
export function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * part)];
}

/** Milliseconds from each key in `from` to the frame of `to` that shows it, one round of keys. */
export async function latency(from, to) {
  await toEnd(from);
  for (const page of [from, to]) {
    await page.evaluate(() => {
      const content = [...document.querySelectorAll(".cm-content")].at(-1);
      const view = content.cmTile?.view ?? content.cmView?.view;
      const seen = [];
      window.__seen = seen;
      let last = view.state.doc.length;
      window.__watch = true;
      const look = () => {
        const length = view.state.doc.length;
        const at = performance.timeOrigin + performance.now();
        for (; last < length; last += 1) seen.push(at);
        if (window.__watch) requestAnimationFrame(look);
      };
      look();
      window.__keys = [];
      window.__round?.abort();
      window.__round = new AbortController();
      const { signal } = window.__round;
      content.addEventListener("keydown", () => window.__keys.push(performance.timeOrigin + performance.now()), { capture: true, signal });
    });
  }
  const keys = 60;
  await from.keyboard.type("x".repeat(keys), { delay: 60 });
  await until("all keys arrived", async () => await to.evaluate(() => window.__seen.length) >= keys);
  const [typed, seen] = await Promise.all([from.evaluate(() => { window.__watch = false; return window.__keys; }), to.evaluate(() => { window.__watch = false; return window.__seen; })]);
  return seen.slice(0, keys).map((at, i) => at - typed[i]);
}

/** The p95 of the best of some rounds, as the machine may be busy for a moment; ends with a round `below`. */
export async function bestLatency(from, to, { rounds, below }) {
  let best = Infinity;
  for (let round = 0; round < rounds && best >= below; round += 1) best = Math.min(best, quantile(await latency(from, to), 0.95));
  return best;
}

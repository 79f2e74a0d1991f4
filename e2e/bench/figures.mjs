// Figures of the web build: real Chromium, real worker, OPFS, WebRTC. Not a test of anything; `cargo xtask bench`
// runs it and keeps what it writes.
//
//   BENCH_OUT=FILE BENCH_PAGE=FOLDER [BENCH_NAMES="id id"] [BENCH_ROUNDS=5] node run.mjs bench/figures.mjs
//
// BENCH_OUT gets a JSON list of {id, value, unit, p95?, floor?}. BENCH_PAGE is the page with `bench.js` beside it.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Profile } from "../lib/browser.mjs";
import { closeDialog, createDocument, createSpace, factIs, invite, openDocument, start, typeDigits } from "../lib/composer.mjs";
import { firstLoadBytes, latency, quantile } from "../lib/measure.mjs";
import { offlineReady, until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";
import { watchWorker } from "../lib/smooth.mjs";

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const OBJECTS = 10_000;
const BATCH = 1_000;
/** One by one: fewer, as each is a round trip to the worker and a commit. */
const SINGLES = 2_000;

/** Ids that need the page with `bench.js`. */
const ON_BENCH_PAGE = [
  "create_batch_per_s_web", "create_one_per_s_web", "newcomer_10k_ms_web", "open_1k_ms_web", "boot_ms", "write_cache_us_web", "write_ack_us_web", "open_100k_ms_web", "live_query_us_web",
  "fts_30k_ms_web", "rss_100k_mib_web",
];

const wanted = (process.env.BENCH_NAMES ?? "").split(" ").filter(Boolean);
const wants = (...ids) => wanted.length === 0 || ids.some((id) => wanted.includes(id));
const figures = [];
const median = (values) => quantile(values, 0.5);

function keep(id, value, unit, { p95, floor } = {}) {
  const figure = { id, value, unit, p95, floor };
  const told = Object.entries({ p95, floor }).filter(([, one]) => one !== undefined).map(([name, one]) => `, ${name} ${one.toFixed(3)}`);
  console.log(`${id} = ${value.toFixed(3)} ${unit}${told.join("")}`);
  figures.push(figure);
  writeFileSync(process.env.BENCH_OUT, JSON.stringify(figures));
}

/** A fresh browser with a page that has the SDK and its own worker. */
async function withBench(server, work) {
  const profile = await Profile.open("bench");
  try {
    const page = await profile.goto(`${server.url}/bench.html?bench`);
    return await work(page, profile);
  } finally {
    await profile.remove();
  }
}

/** Starts the node on a profile and waits for its space. */
function begin(page, name) {
  return page.evaluate(async (profile) => {
    const { default: init, Bench } = await import("/bench.js");
    await init();
    window.bench = Bench.start(profile);
    await window.bench.ready();
  }, name);
}

/** Objects a second of the worker's processor time, and on the clock. */
async function rates(page, count, work, given) {
  const end = await watchWorker(page);
  const wall = await page.evaluate(work, given);
  const { cpuMs } = await end();
  return { cpu: count / (cpuMs / 1000), wall: count / (wall / 1000) };
}

function createRates(page, count, batch) {
  return rates(page, count, async ([n, size]) => {
    const started = performance.now();
    await window.bench.create(n, size);
    return performance.now() - started;
  }, [count, batch]);
}

/** The same of bare SQLite, which writes the very rows that the run on a profile has left behind. */
async function floorRates(profile, name, count, batch) {
  // A page of its own: the run's worker has ended with its page and has let go of the files.
  const page = profile.context.pages().at(-1);
  await page.reload();
  await page.evaluate(async (given) => {
    const worker = new Worker("/floor-worker.js", { type: "module" });
    window.ask = (question) => new Promise((done, failed) => {
      worker.onmessage = ({ data }) => (data.failed ? failed(new Error(data.failed)) : done(data));
      worker.postMessage(question);
    });
    await window.ask({ read: given });
  }, [name, batch]);
  return rates(page, count, async (n) => {
    const started = performance.now();
    const { written } = await window.ask({ write: true });
    if (written < n) throw new Error(`the floor wrote ${written} objects`);
    return performance.now() - started;
  }, count);
}

test("figures", { timeout: 30 * 60 * 1000 }, async () => {
  assert.ok(process.env.BENCH_OUT, "see the head of this file");
  if (wants(...ON_BENCH_PAGE)) {
    assert.ok(process.env.BENCH_PAGE, "see the head of this file");
    const server = await Server.start({ dist: process.env.BENCH_PAGE });
    try {
      await creating(server);
      await newcomer(server);
      await opening(server);
      await writing(server);
      await hundredThousand(server);
      await searching(server);
    } finally {
      await server.stop();
    }
  }
  const shipped = await Server.start();
  try {
    if (wants("first_load_kib")) await firstLoad(shipped);
    if (wants("edit_to_peer_ms")) await editToPeer(shipped);
  } finally {
    await shipped.stop();
  }
});

async function creating(server) {
  for (const [id, count, batch] of [["create_batch_per_s_web", OBJECTS, BATCH], ["create_one_per_s_web", SINGLES, 1]]) {
    if (!wants(id)) continue;
    const [found, floors] = [[], []];
    for (let round = 0; round < ROUNDS; round += 1) {
      await withBench(server, async (page, profile) => {
        await begin(page, "bench");
        found.push(await createRates(page, count, batch));
        // One by one, nothing tells which of them a seal closed.
        if (batch > 1) floors.push(await floorRates(profile, "bench", count, batch));
      });
    }
    const middle = (rounds, rate) => (rounds.length === 0 ? undefined : median(rounds.map((round) => round[rate])));
    console.log(`${id}: on the clock ${middle(found, "wall").toFixed(0)} objects / s, floor ${middle(floors, "wall")?.toFixed(0)}`);
    keep(id, middle(found, "cpu"), "objects / CPU s", { floor: middle(floors, "cpu") });
  }
}

/** A fresh browser joins a space of another on this machine: from the digits to its last object. */
async function newcomer(server) {
  if (!wants("newcomer_10k_ms_web")) return;
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await withBench(server, async (host) => {
      await begin(host, "host");
      const code = await host.evaluate(async ([count, batch]) => {
        const invitation = await window.bench.share();
        await window.bench.create(count, batch);
        return invitation;
      }, [OBJECTS, BATCH]);
      await withBench(server, async (guest) => {
        await begin(guest, "guest");
        await guest.evaluate((invitation) => window.bench.join(invitation), code);
        const digits = await until("the digits", () => host.evaluate(() => window.bench.digits()));
        const [count, took] = await guest.evaluate(async ([given, wanted]) => {
          const started = performance.now();
          const got = await window.bench.receive(given, wanted);
          return [got, performance.now() - started];
        }, [digits, OBJECTS]);
        assert.equal(count, OBJECTS);
        times.push(took);
      });
    });
  }
  keep("newcomer_10k_ms_web", median(times), "ms wall, joining included");
}

/** Milliseconds from a fresh page to the first page of rows, by round. */
async function openTimes(page, profile) {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await page.reload();
    // The SDK is there; the worker is not: it is started, opens the store and answers the first page of rows.
    times.push(await page.evaluate(async (name) => {
      const { default: init, Bench } = await import("/bench.js");
      await init();
      const started = performance.now();
      window.bench = Bench.start(name);
      const rows = await window.bench.page();
      if (rows !== 50) throw new Error(`${rows} rows`);
      return performance.now() - started;
    }, profile));
  }
  return times;
}

async function opening(server) {
  if (wants("open_1k_ms_web")) {
    await withBench(server, async (page) => {
      await begin(page, "thousand");
      await page.evaluate(() => window.bench.create(1000, 1000));
      const times = await openTimes(page, "thousand");
      keep("open_1k_ms_web", median(times), "ms wall, worker start included");
    });
  }
  if (wants("boot_ms")) {
    await withBench(server, async (page, profile) => {
      // Composer's own profile: the page it boots has all of it.
      await begin(page, "default");
      await page.evaluate(([count, batch]) => window.bench.create(count, batch), [OBJECTS, BATCH]);
      await page.close();
      const app = await profile.context.newPage();
      await app.addInitScript(() => {
        const look = () => {
          const usable = document.querySelector(".shell nav[aria-label=Spaces] button") && document.querySelector("[data-save=saved]");
          if (usable) window.__usable ??= performance.now();
          else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      });
      await app.goto(server.url);
      await app.waitForFunction(() => window.__usable);
      await offlineReady(app);
      const times = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        await app.reload();
        times.push(await (await app.waitForFunction(() => window.__usable)).jsonValue());
      }
      keep("boot_ms", median(times), "ms wall");
    });
  }
}

/** Property writes beside 1,000 objects, with a list on screen. */
async function writing(server) {
  if (!wants("write_cache_us_web", "write_ack_us_web")) return;
  await withBench(server, async (page) => {
    await begin(page, "writes");
    const [cache, acks] = await page.evaluate(async (rounds) => {
      const { bench } = window;
      await bench.create(1000, 1000);
      await bench.show_newest();
      const cached = [];
      const acked = [];
      for (let round = 0; round < rounds; round += 1) {
        // The clock ticks in steps of 5 to 100 µs: some hundred writes at once, then room for the answers.
        const started = performance.now();
        for (let n = 0; n < 200; n += 1) bench.write_shown(n);
        cached.push((performance.now() - started) / 200 * 1000);
        await bench.flush();
        for (let n = 0; n < 200; n += 1) {
          const begun = performance.now();
          await bench.write_acked(n + 200, round % 2 === 0);
          acked.push((performance.now() - begun) * 1000);
        }
      }
      return [cached, acked];
    }, ROUNDS);
    if (wants("write_cache_us_web")) keep("write_cache_us_web", median(cache), "µs wall");
    if (wants("write_ack_us_web")) keep("write_ack_us_web", median(acks), "µs wall", { p95: quantile(acks, 0.95) });
  });
}

/** MiB that only the processes of a profile's pages and workers have: what is shared is the browser's. */
function rendererMib(profile) {
  const renderers = profile.processes().filter((line) => line.includes("--type=renderer"));
  const own = renderers.map((line) => readFileSync(`/proc/${Number.parseInt(line, 10)}/smaps_rollup`, "utf8"));
  const kib = own.flatMap((text) => [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+)/gm)].map((found) => Number(found[1])));
  return kib.reduce((sum, one) => sum + one, 0) / 1024;
}

/** A space of 100,000 objects: opened by a worker that runs, followed by 100 lists of which one changes. */
async function hundredThousand(server) {
  if (!wants("open_100k_ms_web", "live_query_us_web", "rss_100k_mib_web")) return;
  await withBench(server, async (page, profile) => {
    await begin(page, "hundred");
    await page.evaluate(() => window.bench.create(100_000, 1000));
    const times = await openTimes(page, "hundred");
    if (wants("open_100k_ms_web")) keep("open_100k_ms_web", median(times), "ms wall, worker start included");
    if (wants("rss_100k_mib_web")) keep("rss_100k_mib_web", rendererMib(profile), "MiB, private, all tabs and workers");
    const live = await page.evaluate(async () => {
      const { bench } = window;
      await bench.create(100, 100);
      await bench.follow(100);
      const found = [];
      for (let n = 0; n < 200; n += 1) {
        const begun = performance.now();
        await bench.write_acked(n % 100, n % 2 === 0);
        found.push((performance.now() - begun) * 1000);
      }
      return found;
    });
    if (wants("live_query_us_web")) keep("live_query_us_web", median(live), "µs wall, acknowledged", { p95: quantile(live, 0.95) });
  });
}

/** Two words in 30,000 objects. */
async function searching(server) {
  if (!wants("fts_30k_ms_web")) return;
  await withBench(server, async (page) => {
    await begin(page, "search");
    await page.evaluate(() => window.bench.create(30_000, 1000));
    const times = await page.evaluate(async (rounds) => {
      const found = [];
      for (let round = 0; round < rounds * 20; round += 1) {
        const begun = performance.now();
        await window.bench.search("garden silver");
        found.push(performance.now() - begun);
      }
      return found;
    }, ROUNDS);
    keep("fts_30k_ms_web", median(times), "ms wall", { p95: quantile(times, 0.95) });
  });
}

async function firstLoad(server) {
  const profile = await Profile.open("first-load");
  try {
    const page = await profile.goto(server.url);
    keep("first_load_kib", await firstLoadBytes(page) / 1024, "KiB brotli");
  } finally {
    await profile.remove();
  }
}

async function editToPeer(server) {
  const [a, b] = [await Profile.open("edit-a"), await Profile.open("edit-b")];
  try {
    const pageA = await a.goto(server.url);
    await start(pageA, "Ada");
    await createSpace(pageA, "River study");
    await createDocument(pageA, "Field notes");
    const { link, code } = await invite(pageA);
    const pageB = await b.goto(link);
    await start(pageB, "Bo");
    await typeDigits(pageB, code);
    await pageB.getByRole("dialog").waitFor({ state: "detached" });
    await closeDialog(pageA);
    await openDocument(pageB, "Field notes");
    for (const page of [pageA, pageB]) await factIs(page, "link", "direct");
    const times = [];
    for (let round = 0; round < ROUNDS; round += 1) times.push(...await latency(pageA, pageB));
    keep("edit_to_peer_ms", median(times), "ms wall", { p95: quantile(times, 0.95) });
  } finally {
    await a.remove();
    await b.remove();
  }
}

// The page around the app: where it cannot run it says why, where it can it is safe, cached and quick to come.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { Profile, picture } from "../lib/browser.mjs";
import { found } from "../lib/find.mjs";
import { faces } from "../lib/harm.mjs";
import { firstLoadBytes } from "../lib/measure.mjs";
import { Network, hub, namespaces } from "../lib/network.mjs";
import { offlineReady } from "../lib/page.mjs";
import { Server, outDir } from "../lib/server.mjs";

/** The app has drawn its first screen. */
const started = (page) => page.waitForFunction(() => document.getElementById("app").innerText.trim().length > 0);

describe("shell", () => {
  let server;
  let profile;

  before(async () => {
    server = await Server.start();
    profile = await Profile.open("shell");
  });

  after(async () => {
    await profile?.remove();
    await server?.stop();
  });

  test("127.0.0.1 leads to localhost, the fragment too", async () => {
    const page = await profile.goto(`http://127.0.0.1:${server.port}/#somewhere`);
    assert.equal(page.url(), `${server.url}/#somewhere`);
    await page.close();
  });

  test("a taken port is an error that names the running server", async () => {
    const second = new Server({ port: server.port });
    await assert.rejects(second.start(), /is running on port/);
  });

  test("plain http from elsewhere explains itself", { skip: !namespaces && "no network namespaces" }, async () => {
    const page = await profile.goto(`http://${hub}:${server.port}/`);
    await page.waitForSelector("[data-problem=insecure-origin]");
    assert.match(await page.innerText("main"), new RegExp(`ssh -N -L ${server.port}:localhost:${server.port} ${hub}`));
    assert.deepEqual(await faces(page, "insecure-origin"), []);
    await page.close();
  });

  test("a browser without storage explains itself", async () => {
    for (const deny of [
      () => { delete StorageManager.prototype.getDirectory; },
      () => { StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException("denied", "SecurityError")); },
    ]) {
      const page = await profile.context.newPage();
      await page.addInitScript(deny);
      await page.goto(server.url);
      await page.waitForSelector("[data-problem=no-storage]");
      assert.deepEqual(await faces(page, "no-storage"), []);
      await page.close();
    }
  });

  test("the app starts, and starts again without any server", async () => {
    const page = await profile.goto(server.url);
    await started(page);
    await offlineReady(page);
    await server.kill();
    await page.reload();
    await started(page);
    await picture(page, "offline-start");
    await page.close();
    await server.start();
  });

  test("a second load transfers next to nothing", async () => {
    const page = await profile.context.newPage();
    const wire = await page.context().newCDPSession(page);
    await wire.send("Network.enable");
    let bytes = 0;
    wire.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
    await page.goto(server.url);
    await started(page);
    assert.ok(bytes < 20_000, `${bytes} bytes`);
    await page.close();
  });

  test("first load stays under 4 MiB, all parts and the offline copy counted", async () => {
    const page = await profile.goto(server.url);
    const bytes = await firstLoadBytes(page);
    console.log(`first_load_kib ${Math.round(bytes / 1024)}`);
    assert.ok(bytes > 100_000 && bytes < 4 * 1024 * 1024, `${bytes} bytes`);
    await page.close();
  });
});

describe("harness", () => {
  test("a namespaced browser is cut off and comes back", { skip: !namespaces && "no network namespaces" }, async () => {
    const network = new Network();
    const server = await Server.start({ tap: join(outDir, "harness.tap") });
    const profile = new Profile("cut", { network });
    try {
      await profile.open(server);
      const page = await profile.goto(profile.urlOf(server));
      assert.equal(await page.evaluate(() => window.isSecureContext && typeof navigator.storage.getDirectory), "function");
      const reach = () => page.evaluate(() => fetch("/stats", { cache: "no-store", signal: AbortSignal.timeout(2000) }).then(() => true, () => false));
      assert.equal(await reach(), true);
      network.cut();
      assert.equal(await reach(), false);
      network.restore();
      // A request that begins while the link comes up is ended by the browser (the network changed): another one is made.
      await page.waitForFunction(() => fetch("/stats", { cache: "no-store", signal: AbortSignal.timeout(2000) }).then(() => true, () => false), null, { polling: 200, timeout: 20_000 });
      assert.deepEqual(found(server.tapped(), ["GET /stats", "never-said"]), ["GET /stats"]);
    } finally {
      await profile.remove();
      await server.stop();
      network.remove();
    }
  });
});

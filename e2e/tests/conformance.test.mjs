// The conformance suites of storage and transports, on the browser's own OPFS, WebRTC and WebSocket.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { Profile } from "../lib/browser.mjs";
import { Server, root } from "../lib/server.mjs";

describe("conformance in Chromium", () => {
  let server;
  let profile;
  let page;

  before(async () => {
    server = await Server.start({ dist: join(root, "target/web/conformance") });
    profile = await Profile.open("conformance");
    page = await profile.goto(server.url);
  });

  after(async () => {
    await profile?.remove();
    await server?.stop();
  });

  test("WebRTC links", async () => {
    const verdict = await page.evaluate(async () => {
      const net = await import("/net.js");
      await net.default();
      return net.rtc_conformance();
    });
    console.log(verdict);
    assert.ok(verdict);
  });

  test("WebSocket to the signal server", async () => {
    const verdict = await page.evaluate(async () => {
      const net = await import("/net.js");
      await net.default();
      return net.signal_conformance(`ws://${location.host}/signal`);
    });
    console.log(verdict);
    assert.ok(verdict);
  });

  test("storage on OPFS", async () => {
    const verdict = await page.evaluate(() => new Promise((resolve) => {
      const worker = new Worker("/store-worker.js", { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => resolve({ failed: event.message });
    }));
    assert.equal(verdict.failed, undefined);
    console.log(`${verdict.done} checks`);
  });
});

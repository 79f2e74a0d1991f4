// The conformance suites of storage, transports and texts: on the browser's own OPFS, WebRTC and WebSocket, and on the
// text module that ships.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { join } from "node:path";
import { Profile } from "../lib/browser.mjs";
import { Server, root } from "../lib/server.mjs";

/** The checks of `dxos_echo::text::conformance`, each of which must have run. */
const TEXT_CHECKS = [
  "a text is opened, edited, read and closed",
  "changes of one delta stand in the text before it",
  "a delta that does not fit changes nothing",
  "updates bring another replica to the same text",
  "concurrent edits converge and the deltas tell how",
  "an update that came too early is applied with what it waited for",
  "a snapshot and a tail open the same text",
  "versions are canonical and diffs lead from one to the other",
  "tokens of another text or of the future are refused",
  "anchors stay with their place",
  "inspection names the writer and the range",
  "equal operations have equal prints, whatever they are read from",
  "malformed bytes are refused and the text stays",
  "random edits of three writers converge",
];

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

  /** What a suite in a dedicated worker tells: `{done}` or `{failed}`. */
  const inWorker = (script) => page.evaluate((url) => new Promise((resolve) => {
    const worker = new Worker(url, { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => resolve({ failed: event.message });
  }), script);

  test("texts in the module that ships", async () => {
    const verdict = await inWorker("/text-worker.js");
    assert.equal(verdict.failed, undefined);
    assert.deepEqual(verdict.done, TEXT_CHECKS);
  });

  test("storage on OPFS", async () => {
    const verdict = await inWorker("/store-worker.js");
    assert.equal(verdict.failed, undefined);
    console.log(`${verdict.done} checks`);
  });
});

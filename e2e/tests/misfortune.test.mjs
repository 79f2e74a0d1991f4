// What a person sees when things go wrong, and that nothing is lost: storage, keys, workers, the text engine.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Profile } from "../lib/browser.mjs";
import { createDocument, createSpace, fact, factIs, openDocument, ready, start, text, textIs, toEnd } from "../lib/composer.mjs";
import { beforeWorker, faces, fragileText, killWorker, limitStorage, nodeWorker, takeKey, trapNode } from "../lib/harm.mjs";
import { stays, until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";

/** Text that does not compress: it needs room on disk. */
const bulky = (characters) => Array.from({ length: Math.ceil(characters / 12) }, () => Math.random().toString(36).slice(2, 13)).join(" ").slice(0, characters);

describe("misfortune", { concurrency: false }, () => {
  let server;
  let profile = null;

  before(async () => {
    server = await Server.start();
  });

  after(async () => {
    await server?.stop();
  });

  afterEach(async () => {
    await profile?.remove();
    profile = null;
  });

  /** A person with a document that has the caret. */
  async function writer(name) {
    profile = await Profile.open(name);
    const page = await profile.goto(server.url);
    await start(page, "Ada");
    await createSpace(page, "River study");
    await createDocument(page, "Field notes");
    return page;
  }

  test("storage runs full while writing: it is said, kept, and saved once there is room", async () => {
    const page = await writer("full");
    await page.keyboard.type("Before. ");
    await factIs(page, "save", "saved");
    const room = await limitStorage(page, server.url, 1_000);
    const long = bulky(300_000);
    await page.keyboard.insertText(long);
    await factIs(page, "save", "failed");
    await page.getByRole("alert").getByText("There is no room left on this device").waitFor();
    assert.equal(await page.locator(".toast").count(), 0, "one voice is enough");
    await toEnd(page);
    await page.keyboard.type(" After.");
    const whole = `Before. ${long} After.`;
    await textIs(page, whole);
    assert.deepEqual(await faces(page, "storage-full"), []);
    assert.notEqual(await fact(page, "save"), "saved");
    await room();
    // No key, no click.
    await factIs(page, "save", "saved");
    await until("the warning is gone", async () => await page.locator(".note").count() === 0);
    await textIs(page, whole);
    await page.reload();
    await ready(page);
    await textIs(page, whole);
  });

  test("no room for the first file: it is said, and a reload with room starts", async () => {
    profile = await Profile.open("full-at-start");
    const page = await profile.context.newPage();
    const room = await limitStorage(page, server.url, 1_000);
    await page.goto(server.url);
    await page.getByText("There is no room left on this device for your data.").waitFor();
    assert.deepEqual(await faces(page, "no-room-to-start"), []);
    await room();
    await page.getByRole("button", { name: "Reload" }).click();
    await page.getByLabel("Your name").waitFor();
  });

  test("storage denied to the worker: it is said what to do", async () => {
    profile = await Profile.open("denied");
    const page = await profile.context.newPage();
    await beforeWorker(page, () => {
      FileSystemFileHandle.prototype.createSyncAccessHandle = () => Promise.reject(new DOMException("denied", "NotAllowedError"));
    });
    await page.goto(server.url);
    await page.getByText("This browser does not allow storing data here.").waitFor();
    assert.deepEqual(await faces(page, "denied"), []);
  });

  test("the wrapping key is gone: it is said, nothing is overwritten, and with the key all is there", async () => {
    let page = await writer("key");
    await page.keyboard.type("Under lock.");
    await factIs(page, "save", "saved");
    await page.close();
    const plain = await profile.goto(`${server.url}/stats`);
    const giveBack = await takeKey(plain);
    page = await profile.goto(server.url);
    await page.getByText("The key of the data stored in this browser is gone").waitFor();
    assert.deepEqual(await faces(page, "key-lost"), []);
    // Another try changes nothing.
    await page.getByRole("button", { name: "Reload" }).click();
    await page.getByText("The key of the data stored in this browser is gone").waitFor();
    await page.close();
    await giveBack();
    page = await profile.goto(server.url);
    await ready(page);
    await page.getByRole("navigation", { name: "Spaces" }).getByRole("button", { name: "River study" }).click();
    await openDocument(page, "Field notes");
    await textIs(page, "Under lock.");
  });

  test("without SharedWorker one tab works, the next one waits and takes over", async () => {
    profile = await Profile.open("no-shared-worker");
    await profile.context.addInitScript(() => { delete window.SharedWorker; });
    const first = await profile.goto(server.url);
    await start(first, "Ada");
    await createDocument(first, "Alone");
    await first.keyboard.type("One tab.");
    await factIs(first, "save", "saved");
    const second = await profile.goto(server.url);
    await second.getByText("Composer is open in another tab").waitFor();
    assert.deepEqual(await faces(second, "other-tab"), []);
    await first.close();
    await ready(second);
    await openDocument(second, "Alone");
    await textIs(second, "One tab.");
  });

  test("a trap in the text engine replaces that instance alone", async () => {
    profile = await Profile.open("trap");
    const page = await profile.goto(server.url);
    await start(page, "Ada");
    const worker = await nodeWorker(page);
    const engine = await fragileText(page);
    await createDocument(page, "First");
    await page.keyboard.type("One. ");
    await factIs(page, "save", "saved");
    // A key, the version after it, and what is sealed of several keys.
    const places = ["text_apply", "text_version", "text_export"];
    for (const at of places) {
      const before = await engine.trapped();
      await engine.trapAt(at);
      await page.keyboard.type(`Over ${at}. `, { delay: 5 });
      await until(`${at} trapped`, async () => await engine.trapped() > before);
      await factIs(page, "save", "saved");
    }
    const whole = `One. ${places.map((at) => `Over ${at}. `).join("")}`;
    await textIs(page, whole);
    await createDocument(page, "Second");
    await page.keyboard.type("Another text.");
    await factIs(page, "save", "saved");
    assert.equal(await nodeWorker(page), worker, "the node went on");
    assert.equal(await page.locator(".note").count() + await page.locator(".toast.bad").count(), 0, "nobody had to be bothered");
    await page.reload();
    await ready(page);
    await openDocument(page, "First");
    await textIs(page, whole);
  });

  for (const [how, crash] of [["is killed", killWorker], ["traps", trapNode]]) {
    test(`the worker ${how} while somebody writes: another one goes on, no key is lost`, async () => {
      const page = await writer("crash");
      await page.keyboard.type("Begin. ");
      await factIs(page, "save", "saved");
      const worker = await nodeWorker(page);
      const keys = Array.from({ length: 120 }, (_, i) => String.fromCharCode(97 + (i % 26))).join("");
      const typing = page.keyboard.type(keys, { delay: 15 });
      await until("some keys are typed", async () => (await text(page)).length > 20);
      const crashed = crash(page);
      await typing;
      await crashed;
      await factIs(page, "save", "saved");
      assert.notEqual(await nodeWorker(page), worker, "another worker");
      assert.equal(await text(page), `Begin. ${keys}`);
      await page.reload();
      await ready(page);
      await textIs(page, `Begin. ${keys}`);
    });
  }

  test("a worker that dies again and again is given up with a word; started again, it saves what was typed", async () => {
    const page = await writer("given-up");
    await page.keyboard.type("Kept.");
    await factIs(page, "save", "saved");
    for (let n = 1; n <= 4; n += 1) {
      await killWorker(page);
      if (n < 4) await until("another worker answers", async () => await fact(page, "save") === "saved" && await answers(page));
    }
    await page.getByRole("alert").getByText("The part of Composer that saves your work stopped.").waitFor();
    await toEnd(page);
    await page.keyboard.type(" Typed meanwhile.");
    await factIs(page, "save", "failed");
    await stays("what is saved", () => fact(page, "save"), 500);
    assert.deepEqual(await faces(page, "given-up"), []);
    await page.getByRole("alert").getByRole("button", { name: "Start again" }).click();
    await factIs(page, "save", "saved");
    assert.equal(await page.locator(".note").count(), 0);
    await page.reload();
    await ready(page);
    await textIs(page, "Kept. Typed meanwhile.");
  });

  /** A node answers this page: nothing is being taken over. */
  async function answers(page) {
    return !(await page.locator("footer.stat").innerText()).includes("Taking over");
  }
});

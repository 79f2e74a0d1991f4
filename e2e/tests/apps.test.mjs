// Several apps at one address: what is kept on the device, and how a new version comes to all of them at once.
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Profile, picture } from "../lib/browser.mjs";
import { axe, offlineReady, until } from "../lib/page.mjs";
import { Server, root } from "../lib/server.mjs";
import * as tasks from "../lib/tasks.mjs";
import * as todo from "../lib/todomvc.mjs";

/** Names of the files kept on the device. */
const kept = (page) => page.evaluate(async () => {
  const names = [];
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) names.push(new URL(request.url).pathname.slice(1));
  }
  return names;
});

describe("several apps at one address", { concurrency: false }, () => {
  let folder, server, ada, page;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "dxos-e2e-dist-"));
    cpSync(join(root, "target/web/dist/release"), folder, { recursive: true });
    server = await Server.start({ dist: folder });
    ada = await Profile.open("apps");
    page = await todo.open(ada, server, "Ada");
    await offlineReady(page);
  });

  after(async () => {
    await ada?.remove();
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Changes a file as a new build would: the list of files and the service worker tell. */
  async function release(name, change) {
    const path = join(folder, name);
    const worker = readFileSync(join(folder, "sw.js"), "utf8");
    const [before] = /\{"apps":.*\}/.exec(worker);
    writeFileSync(path, change(readFileSync(path, "utf8")));
    rmSync(`${path}.br`, { force: true });
    rmSync(join(folder, "sw.js.br"), { force: true });
    const manifest = JSON.parse(before);
    const answered = await fetch(`${server.url}/${name}`);
    manifest.files[name].hash = answered.headers.get("etag").slice(1, 17);
    manifest.version = manifest.files[name].hash;
    writeFileSync(join(folder, "sw.js"), worker.replace(before, () => JSON.stringify(manifest)));
  }

  test("only the apps that were opened are kept, each whole", async () => {
    const first = await kept(page);
    for (const name of ["todomvc/index.html", "todomvc/app_bg.wasm", "worker_bg.wasm", "boot.js"]) assert.ok(first.includes(name), name);
    assert.deepEqual(first.filter((name) => ["index.html", "app_bg.wasm", "text_bg.wasm"].includes(name) || name.startsWith("tasks/")), []);
    const other = await ada.goto(`${server.url}/tasks/`);
    await tasks.ready(other);
    await until("Tasks is kept too", async () => (await kept(page)).includes("tasks/index.html"));
    await server.stop();
    await other.reload();
    await tasks.ready(other);
    await other.close();
    await server.start();
  });

  test("an app of a newer version is not mixed with what runs: the person takes the version first", async () => {
    await release("index.html", (text) => text.replace("<title>Composer</title>", "<title>Composer, newer</title>"));
    const composer = await ada.goto(server.url);
    await composer.getByRole("heading", { name: "A new version is here" }).waitFor();
    assert.deepEqual(await axe(composer), []);
    await picture(composer, "new-version");
    await todo.add(page, "written before the update");
    await composer.getByRole("button", { name: "Take it" }).click();
    await composer.locator(".shell").waitFor();
    assert.equal(await composer.title(), "Composer, newer");
    // The others were reloaded with it; nothing is lost.
    await todo.ready(page);
    await todo.showing(page, "written before the update");
    await composer.close();
  });

  test("a new version is offered where an app is open, and taken when the person says so", async () => {
    await release("boot.css", (text) => `${text}\n/* newer */\n`);
    await page.reload();
    await todo.ready(page);
    const reloaded = page.waitForEvent("load");
    await page.getByRole("button", { name: "New version: reload" }).click();
    await reloaded;
    assert.ok(await page.evaluate(async () => (await (await fetch("/boot.css")).text()).includes("newer")));
    await todo.ready(page);
    await todo.showing(page, "written before the update");
  });
});

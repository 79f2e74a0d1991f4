// A device whose files were put back writes a second time where it had written before: what the page says of it,
// how a person settles it, and that nothing is lost when the device is back.
import assert from "node:assert/strict";
import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Profile } from "../lib/browser.mjs";
import { closeDialog, createDocument, createSpace, factIs, invite, openDocument, openSpace, ready, start, text } from "../lib/composer.mjs";
import { faces } from "../lib/harm.mjs";
import { NativePeer } from "../lib/native.mjs";
import { until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";

const TITLE = "Field notes";

/** The database of a profile whose process has ended, with its log: by name and file. */
function database(peer) {
  const dir = join(peer.dir, "profile");
  return readdirSync(dir).filter((name) => name.startsWith("profile.db")).map((name) => join(dir, name));
}

const shows = (peer, words) => until(`a native peer has ${words}`, async () => (await peer.run("doc", "show", TITLE)).includes(words));

describe("a forked space", { concurrency: false }, () => {
  let server, ada, page, bo, cy;

  before(async () => {
    server = await Server.start();
    ada = await Profile.open("forked");
    bo = new NativePeer(server);
    cy = new NativePeer(server);
    page = await ada.goto(server.url);
    await start(page, "Ada");
    await createSpace(page, "River study");
    await createDocument(page, TITLE);
    await page.keyboard.type("begun");
    for (const [peer, name] of [[bo, "Bo"], [cy, "Cy"]]) {
      const { link, code } = await invite(page);
      await peer.run("join", link, "--name", name, "--auth", code);
      await closeDialog(page);
      await shows(peer, "begun");
    }
    await bo.run("doc", "append", TITLE, "first-of-bo");
    await until("Ada has it", async () => (await text(page)).includes("first-of-bo"));
    await shows(cy, "first-of-bo");
  });

  after(async () => {
    await bo?.remove();
    await cy?.remove();
    await ada?.remove();
    await server?.stop();
  });

  test("the page tells it, and a person settles it", async () => {
    const kept = database(bo).map((file) => [file, `${file}.kept`]);
    kept.forEach(([file, copy]) => copyFileSync(file, copy));
    // One time it writes with Cy alone, the other, its files put back, with Ada alone.
    await ada.close();
    const holder = cy.spawn("peer");
    await until("Cy is online", () => holder.said.length > 0);
    await bo.run("doc", "append", TITLE, "said-to-cy");
    await shows(cy, "said-to-cy");
    await holder.stop();
    kept.forEach(([file, copy]) => copyFileSync(copy, file));
    await ada.open();
    page = await ada.goto(server.url);
    await ready(page);
    await openSpace(page, "River study");
    await openDocument(page, TITLE);
    await bo.run("doc", "append", TITLE, "said-to-ada");
    await until("Ada has it", async () => (await text(page)).includes("said-to-ada"));

    const again = cy.spawn("peer");
    const note = page.getByRole("alert").getByText("A device of Bo was copied");
    await note.waitFor();
    await factIs(page, "sync", "forked");
    assert.deepEqual(await faces(page, "forked"), []);
    await page.getByRole("button", { name: "Settle" }).click();
    await note.waitFor({ state: "detached" });
    await factIs(page, "sync", "synced");
    assert.deepEqual(await faces(page, "settled"), []);
    await again.stop();
  });

  test("nothing is lost once the device is back", async () => {
    await shows(bo, "said-to-cy");
    await shows(bo, "said-to-ada");
    const said = ["begun", "first-of-bo", "said-to-cy", "said-to-ada"];
    await until("Ada has both", async () => {
      const all = await text(page);
      return said.every((words) => all.includes(words));
    });
    const all = await text(page);
    for (const words of said) assert.equal(all.split(words).length, 2, `${words} stands once in ${all}`);
  });
});

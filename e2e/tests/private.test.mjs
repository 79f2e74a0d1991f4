// The server learns no content: planted words are searched in every frame it received or sent, in what it logged, and
// in what it answers, over a direct and over a relayed path.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Profile } from "../lib/browser.mjs";
import { addTag, chip, closeDialog, converged, createDocument, createSpace, factIs, invite, openDocument, start, toEnd, typeDigits } from "../lib/composer.mjs";
import { found } from "../lib/find.mjs";
import { NativePeer } from "../lib/native.mjs";
import { Server } from "../lib/server.mjs";

const CANARY = {
  person: "Quillonaria", guest: "Vespertilla", native: "Mandragolin", device: "Zephyrbook", space: "Thornwickery", title: "Obsidianette",
  tag: "brambleweft",
  text: "marigoldensaga", reply: "lanternfishery",
};

describe("private by construction", { concurrency: false }, () => {
  let dir, server, a, b;
  const codes = [];

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "dxos-e2e-tap-"));
    server = await Server.start({ tap: join(dir, "tap") });
    a = await Profile.open("private-a");
    b = await Profile.open("private-b");
  });

  after(async () => {
    await a?.remove();
    await b?.remove();
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  for (const path of ["direct", "relayed"]) {
    test(`no planted word reaches the server, ${path}`, async () => {
      if (path === "relayed") {
        // Without WebRTC in one browser everything goes through the server.
        await a.remove();
        await b.remove();
        a = await Profile.open("private-a2");
        b = await Profile.open("private-b2");
        await b.context.addInitScript(() => { delete window.RTCPeerConnection; });
      }
      const pageA = await a.goto(server.url);
      await start(pageA, CANARY.person);
      await createSpace(pageA, CANARY.space);
      await createDocument(pageA, CANARY.title);
      await pageA.keyboard.insertText(CANARY.text);
      await addTag(pageA, CANARY.tag);
      const invitation = await invite(pageA);
      codes.push(invitation.link.split("#").at(-1));
      const pageB = await b.goto(invitation.link);
      await start(pageB, CANARY.guest);
      await pageB.getByLabel("Digit 1").waitFor();
      await typeDigits(pageB, invitation.code);
      await pageB.getByRole("dialog").waitFor({ state: "detached" });
      await openDocument(pageB, CANARY.title);
      await chip(pageB, CANARY.tag).waitFor();
      await factIs(pageB, "link", path);
      await toEnd(pageB);
      await pageB.keyboard.type(` ${CANARY.reply}`);
      await converged([pageA, pageB], [CANARY.text, CANARY.reply]);
      await closeDialog(pageA);
      if (path === "relayed") {
        const native = new NativePeer(server);
        await native.run("identity", "create", CANARY.native, "--device", CANARY.device);
        const third = await invite(pageA);
        codes.push(third.link.split("#").at(-1));
        await native.run("join", third.link, "--auth", third.code);
        assert.ok((await native.run("doc", "show", CANARY.title)).includes(CANARY.reply));
        await native.remove();
      }
      const relayed = (await server.stats()).relayed_bytes;
      assert.equal(relayed > 0, path === "relayed");
      const words = [...Object.values(CANARY), ...codes];
      const tapped = server.tapped();
      assert.ok(tapped.length > 1_000, "the tap recorded frames");
      assert.deepEqual(found(tapped, words), []);
      assert.deepEqual(found(Buffer.from(server.log), words), []);
      assert.deepEqual(found(Buffer.from(JSON.stringify(await server.stats())), words), []);
    });
  }

  test("the search itself finds words in any form", () => {
    for (const word of Object.values(CANARY)) {
      assert.deepEqual(found(Buffer.concat([Buffer.from([0, 255, 7]), Buffer.from(word)]), [word]), [word]);
      assert.deepEqual(found(Buffer.from(Buffer.from(`xy${word}z`).toString("base64")), [word]), [word]);
    }
  });
});

// Tags on a document: typed, offered, taken off, and the same on every device of the space.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Profile, picture } from "../lib/browser.mjs";
import { addTag, chip, closeDialog, createDocument, createSpace, invite, openDocument, start, typeDigits } from "../lib/composer.mjs";
import { axe, until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";

/** Tags of the open document, as shown. */
const shown = (page) => page.locator(".doc").last().locator(".tag").evaluateAll((chips) => chips.map((one) => one.dataset.tag));
const tagsAre = (page, tags) => until(`the tags are ${tags.join(", ")}`, async () => {
  const now = await shown(page);
  return JSON.stringify(now) === JSON.stringify(tags) || { now } && false;
});
const field = (page) => page.getByRole("combobox", { name: "Add a tag" }).last();

describe("tags", { concurrency: false }, () => {
  let server, a, b, pageA, pageB;

  before(async () => {
    server = await Server.start();
    a = await Profile.open("tags-a");
    b = await Profile.open("tags-b");
    pageA = await a.goto(server.url);
    await start(pageA, "Ada");
    await createSpace(pageA, "River study");
    await createDocument(pageA, "Field notes");
  });

  after(async () => {
    await a?.remove();
    await b?.remove();
    await server?.stop();
  });

  test("Enter and commas add, Backspace and a press take off", async () => {
    await addTag(pageA, "river");
    await field(pageA).pressSequentially("#moss, upper  river,Sto");
    await tagsAre(pageA, ["moss", "river", "upper river"]);
    assert.equal(await field(pageA).inputValue(), "Sto");
    await field(pageA).press("Escape");
    assert.equal(await field(pageA).inputValue(), "");
    await addTag(pageA, "stone");
    await field(pageA).press("Backspace");
    await tagsAre(pageA, ["moss", "river", "stone"]);
    await pageA.getByRole("button", { name: "Remove tag moss" }).click();
    await tagsAre(pageA, ["river", "stone"]);
    assert.ok(await field(pageA).evaluate((one) => one === document.activeElement), "the focus is not lost");
    await pageA.reload();
    await tagsAre(pageA, ["river", "stone"]);
  });

  test("tags of the space are offered, and keep their spelling", async () => {
    await createDocument(pageA, "Second sheet");
    await field(pageA).pressSequentially("ri");
    const option = pageA.getByRole("option", { name: "river", exact: true });
    await option.waitFor();
    assert.deepEqual(await axe(pageA), []);
    await picture(pageA, "tags-offered");
    await field(pageA).press("ArrowDown");
    assert.equal(await option.getAttribute("aria-selected"), "true");
    await field(pageA).press("Enter");
    await tagsAre(pageA, ["river"]);
    await field(pageA).fill("STONE");
    await field(pageA).press("Enter");
    await tagsAre(pageA, ["river", "stone"]);
  });

  test("the other person sees them, and takes one off", async () => {
    const { link, code } = await invite(pageA);
    pageB = await b.goto(link);
    await start(pageB, "Bo");
    await pageB.getByLabel("Digit 1").waitFor();
    await typeDigits(pageB, code);
    await pageB.getByRole("dialog").waitFor({ state: "detached" });
    await closeDialog(pageA);
    await openDocument(pageA, "Field notes");
    await openDocument(pageB, "Field notes");
    await tagsAre(pageB, ["river", "stone"]);
    // Both at once: a set keeps what either put in.
    await Promise.all([addTag(pageA, "from Ada"), addTag(pageB, "from Bo")]);
    for (const page of [pageA, pageB]) await tagsAre(page, ["from Ada", "from Bo", "river", "stone"]);
    await pageB.getByRole("button", { name: "Remove tag stone" }).click();
    await chip(pageA, "stone").waitFor({ state: "detached" });
    await tagsAre(pageA, ["from Ada", "from Bo", "river"]);
  });

  test("they look right in light and dark, and on a phone", async () => {
    for (const scheme of ["light", "dark"]) {
      await pageA.emulateMedia({ colorScheme: scheme });
      await pageA.setViewportSize({ width: 1280, height: 800 });
      await picture(pageA, `tags-${scheme}`);
      assert.deepEqual(await axe(pageA), []);
      await pageA.setViewportSize({ width: 390, height: 844 });
      await addTag(pageA, "a rather long tag about the upper gauge");
      const over = await pageA.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      assert.equal(over, false, "nothing is wider than the screen");
      await picture(pageA, `tags-phone-${scheme}`);
      assert.deepEqual(await axe(pageA), []);
      await pageA.getByRole("button", { name: /^Remove tag a rather long/ }).click();
    }
  });
});

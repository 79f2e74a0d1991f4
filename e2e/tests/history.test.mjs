// Undo of everything outside a text, and the history of a document beside it: by two people, by keys, on a phone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Profile, picture } from "../lib/browser.mjs";
import { addTag, chip, closeDialog, createDocument, createSpace, invite, openDocument, ready, start, textIs, toEnd, typeDigits } from "../lib/composer.mjs";
import { axe, until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";

const item = (page, title) => page.getByRole("treeitem", { name: title });
const panel = (page) => page.getByRole("region", { name: /^History of/ });
const edits = (page) => panel(page).getByRole("option");
const toast = (page, words) => page.getByRole("status").getByText(words).first().waitFor();
/** Presses keys where nothing is typed. */
const press = async (page, title, keys) => {
  await item(page, title).focus();
  await page.keyboard.press(keys);
};
const gone = (page, title) => item(page, title).waitFor({ state: "detached" });

describe("undo and history", { concurrency: false }, () => {
  let server, a, b, pageA, pageB;

  before(async () => {
    server = await Server.start();
    a = await Profile.open("history-a");
    b = await Profile.open("history-b");
    pageA = await a.goto(server.url);
    await start(pageA, "Ada");
    await createSpace(pageA, "River study");
  });

  after(async () => {
    await a?.remove();
    await b?.remove();
    await server?.stop();
  });

  test("a rename and a deletion are undone and done again by keys", async () => {
    await createDocument(pageA, "Notes");
    await createDocument(pageA, "Other sheet");
    await openDocument(pageA, "Notes");
    const title = pageA.getByLabel("Document title").last();
    await title.fill("Field notes");
    await title.press("Enter");
    await item(pageA, "Field notes").waitFor();

    await press(pageA, "Other sheet", "Control+z");
    await item(pageA, /^Notes/).waitFor();
    await toast(pageA, "Undone: rename to “Field notes”");
    await press(pageA, "Other sheet", "Control+Shift+Z");
    await item(pageA, "Field notes").waitFor();
    await press(pageA, "Other sheet", "Control+z");
    await item(pageA, /^Notes/).waitFor();
    await press(pageA, "Other sheet", "Control+y");
    await item(pageA, "Field notes").waitFor();

    await openDocument(pageA, "Field notes");
    await addTag(pageA, "river");
    await press(pageA, "Other sheet", "Control+z");
    await chip(pageA, "river").waitFor({ state: "detached" });

    // By the menu, which says what it will take back.
    await item(pageA, "Field notes").hover();
    await item(pageA, "Field notes").getByRole("button", { name: "More" }).click();
    await pageA.getByRole("menuitem", { name: "Delete document" }).click();
    await gone(pageA, "Field notes");
    await pageA.locator(".side > header").getByRole("button", { name: "More" }).click();
    await picture(pageA, "undo-menu");
    await pageA.getByRole("menuitem", { name: "Undo deletion of “Field notes”" }).click();
    await item(pageA, "Field notes").waitFor();
  });

  test("a deletion is taken back by its message, after a reload by the key", async () => {
    await item(pageA, "Other sheet").hover();
    await item(pageA, "Other sheet").getByRole("button", { name: "More" }).click();
    await pageA.getByRole("menuitem", { name: "Delete document" }).click();
    await gone(pageA, "Other sheet");
    await pageA.locator(".toast").filter({ hasText: "“Other sheet” deleted" }).getByRole("button", { name: "Undo" }).click();
    await item(pageA, "Other sheet").waitFor();
    // It opened again; the same once more, and the page is new before the key.
    await item(pageA, "Other sheet").hover();
    await item(pageA, "Other sheet").getByRole("button", { name: "More" }).click();
    await pageA.getByRole("menuitem", { name: "Delete document" }).click();
    await gone(pageA, "Other sheet");
    await until("it is saved", async () => await pageA.locator("[data-save]").first().getAttribute("data-save") === "saved");
    await pageA.reload();
    await ready(pageA);
    // What can be undone is known once the menu says so.
    const menu = pageA.locator(".side > header").getByRole("button", { name: "More" });
    await menu.click();
    await pageA.getByRole("menuitem", { name: "Undo deletion of “Other sheet”" }).waitFor();
    await pageA.keyboard.press("Escape");
    await press(pageA, "Field notes", "Control+z");
    await item(pageA, "Other sheet").waitFor();
  });

  test("inside the text the editor's own undo works, and only that", async () => {
    await openDocument(pageA, "Field notes");
    await toEnd(pageA);
    await pageA.keyboard.type("The weir is high.");
    await textIs(pageA, "The weir is high.");
    await pageA.keyboard.press("Control+z");
    await textIs(pageA, "");
    await pageA.keyboard.press("Control+Shift+Z");
    await textIs(pageA, "The weir is high.");
    assert.equal(await item(pageA, "Other sheet").count(), 1, "no step of the space was taken back");
  });

  test("the history tells both authors; an earlier point is compared and restored, and that undone", async () => {
    const { link, code } = await invite(pageA);
    pageB = await b.goto(link);
    await start(pageB, "Bo");
    await pageB.getByLabel("Digit 1").waitFor();
    await typeDigits(pageB, code);
    await pageB.getByRole("dialog").waitFor({ state: "detached" });
    await closeDialog(pageA);
    await openDocument(pageB, "Field notes");
    await textIs(pageB, "The weir is high.");
    await toEnd(pageB);
    await pageB.keyboard.type(" The bank is undercut.");
    await textIs(pageA, "The weir is high. The bank is undercut.");

    await openDocument(pageA, "Field notes");
    await pageA.keyboard.press("Alt+h");
    await panel(pageA).waitFor();
    await until("both authors", async () => {
      const names = await edits(pageA).locator("b").allInnerTexts();
      return names.includes("Ada") && names.includes("Bo") || { names } && false;
    });
    assert.deepEqual(await axe(pageA), []);
    await picture(pageA, "history-timeline");

    // Ada's last edit before Bo's.
    await edits(pageA).filter({ hasText: "Ada" }).first().click();
    const added = panel(pageA).locator("ins");
    await added.first().waitFor();
    assert.match(await added.first().innerText(), /The bank is undercut\./);
    assert.deepEqual(await axe(pageA), []);
    await picture(pageA, "history-compared");
    await panel(pageA).getByRole("button", { name: "Restore" }).click();
    await textIs(pageA, "The weir is high.");
    await textIs(pageB, "The weir is high.");
    await pageA.locator(".toast").filter({ hasText: "Restored as it was" }).getByRole("button", { name: "Undo" }).click();
    await textIs(pageA, "The weir is high. The bank is undercut.");
    await textIs(pageB, "The weir is high. The bank is undercut.");
  });

  test("on a phone it is a sheet over the document", async () => {
    await pageA.getByRole("button", { name: "Close history" }).click();
    await pageA.setViewportSize({ width: 390, height: 844 });
    await pageA.locator(".top").getByRole("button", { name: "More" }).click();
    await pageA.getByRole("menuitem", { name: "History" }).click();
    await panel(pageA).waitFor();
    await until("edits", async () => await edits(pageA).count() > 2);
    assert.deepEqual(await axe(pageA), []);
    await picture(pageA, "history-phone");
    await edits(pageA).last().click();
    await panel(pageA).locator("ins").first().waitFor();
    const width = await pageA.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `nothing is wider than the phone (${width})`);
    await picture(pageA, "history-phone-point");
    await pageA.getByRole("button", { name: "Back to the timeline" }).click();
    await pageA.getByRole("button", { name: "Close history" }).click();
    await panel(pageA).waitFor({ state: "detached" });
  });
});

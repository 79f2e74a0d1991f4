// Going out of a space: left by a member, deleted by its owner, removed from a device. Data stays readable until then.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Profile, picture } from "../lib/browser.mjs";
import { createDocument, createSpace, invite, openDocument, start, text, textIs, typeDigits } from "../lib/composer.mjs";
import { faces } from "../lib/harm.mjs";
import { until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";

/** Opens the menu of the space shown; gives its entries. */
async function menu(page) {
  await page.getByRole("complementary", { name: "Navigation" }).getByRole("button", { name: "More" }).first().click();
  const entries = page.getByRole("menuitem");
  await entries.first().waitFor();
  return await entries.allInnerTexts();
}

const choose = (page, name) => page.getByRole("menuitem", { name }).click();
const confirm = (page, name) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
const says = (page, words) => page.getByText(words).first().waitFor();
const readOnly = (page) => until("the text is read-only", () =>
  page.locator(".cm-content").last().evaluate((one) => one.getAttribute("contenteditable") === "false" || one.getAttribute("aria-readonly") === "true"));

describe("leaving", { concurrency: false }, () => {
  let server, a, b, pageA, pageB;

  before(async () => {
    server = await Server.start();
    a = await Profile.open("leaving-a");
    b = await Profile.open("leaving-b");
    pageA = await a.goto(server.url);
    pageB = await b.goto(server.url);
    await start(pageA, "Ada");
    await start(pageB, "Bo");
    await createSpace(pageA, "River study");
    await createDocument(pageA, "Field notes");
    await pageA.keyboard.type("kept");
    const { link, code } = await invite(pageA);
    await pageB.goto(link);
    await typeDigits(pageB, code);
    await pageB.getByRole("heading", { name: "River study", exact: true }).first().waitFor();
    await openDocument(pageB, "Field notes");
    await textIs(pageB, "kept");
    await pageA.keyboard.press("Escape");
  });

  after(async () => {
    await a?.remove();
    await b?.remove();
    await server?.stop();
  });

  test("a member leaves: what is here can be read, not changed", async () => {
    assert.deepEqual(await menu(pageB), ["Leave space", "Remove from this device"]);
    await picture(pageB, "leaving-menu");
    await choose(pageB, "Leave space");
    const dialog = pageB.getByRole("dialog", { name: "Leave “River study”?" });
    await dialog.waitFor();
    assert.deepEqual(await faces(pageB, "dialog"), []);
    await pageB.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await menu(pageB);
    await choose(pageB, "Leave space");
    await confirm(pageB, "Leave space");
    await says(pageB, "You are no member of this space any more");
    await readOnly(pageB);
    assert.equal(await text(pageB), "kept");
    assert.equal(await pageB.getByRole("button", { name: "New document" }).count(), 0);
    assert.deepEqual(await faces(pageB, "left"), []);
    await pageA.getByRole("button", { name: /^Share/ }).first().click();
    await until("Bo is no member", async () => await pageA.getByRole("list", { name: "Members" }).getByText("Bo").count() === 0);
    await pageA.keyboard.press("Escape");
  });

  test("the copy is removed from the device", async () => {
    assert.deepEqual(await menu(pageB), ["Remove from this device"]);
    await choose(pageB, "Remove from this device");
    await confirm(pageB, "Remove from this device");
    await until("the space is gone", async () => await pageB.getByRole("navigation", { name: "Spaces" }).getByRole("button", { name: "River study" }).count() === 0);
    await pageB.reload();
    await pageB.getByRole("navigation", { name: "Spaces" }).waitFor();
    assert.equal(await pageB.getByText("River study").count(), 0);
  });

  test("its owner deletes it for everyone", async () => {
    assert.deepEqual(await menu(pageA), ["Undo rename to “Field notes”\nCtrl Z", "Remove from this device", "Delete for everyone"]);
    await choose(pageA, "Delete for everyone");
    await confirm(pageA, "Delete for everyone");
    await says(pageA, "An owner deleted this space");
    await openDocument(pageA, "Field notes");
    await readOnly(pageA);
    assert.deepEqual(await faces(pageA, "deleted"), []);
  });
});

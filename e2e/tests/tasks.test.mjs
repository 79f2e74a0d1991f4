// Tasks: one person with a mouse, two who share, one on a phone with a finger, one with keys alone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Profile, picture } from "../lib/browser.mjs";
import { closeDialog, invite, typeDigits } from "../lib/composer.mjs";
import { axe, offlineReady, until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";
import * as tasks from "../lib/tasks.mjs";
import * as todo from "../lib/todomvc.mjs";

const { add, check, handle, item, showing } = tasks;

describe("Tasks", { concurrency: false }, () => {
  let server, ada, bo, a, b;

  before(async () => {
    server = await Server.start();
    ada = await Profile.open("ada");
    bo = await Profile.open("bo");
    a = await tasks.open(ada, server, "Ada");
    b = await tasks.open(bo, server, "Bo");
  });

  after(async () => {
    await ada?.remove();
    await bo?.remove();
    await server?.stop();
  });

  test("a first list, tasks on it, checked, renamed and put in order", async () => {
    await a.getByText("No list yet").waitFor();
    await picture(a, "empty");
    await tasks.newList(a, "Groceries");
    await add(a, "milk", "bread", "salt");
    await check(a, "bread").check();
    await showing(a, "milk", "bread ✓", "salt");
    await item(a, "salt").getByLabel("Task", { exact: true }).fill("sea salt");
    await item(a, "salt").getByLabel("Task", { exact: true }).press("Enter");
    await showing(a, "milk", "bread ✓", "sea salt");
    await tasks.drag(a, "sea salt", "milk");
    await showing(a, "sea salt", "milk", "bread ✓");
    await tasks.drag(a, "sea salt", "bread");
    await showing(a, "milk", "bread ✓", "sea salt");
  });

  test("a deleted task and a deleted list come back by Undo", async () => {
    await item(a, "milk").getByRole("button", { name: "Delete: milk" }).click();
    await showing(a, "bread ✓", "sea salt");
    await a.getByRole("button", { name: "Undo" }).click();
    await showing(a, "milk", "bread ✓", "sea salt");
    await tasks.newList(a, "Move house");
    await add(a, "boxes");
    await a.getByRole("button", { name: "List", exact: true }).click();
    await a.getByRole("menuitem", { name: "Delete list" }).click();
    await tasks.inList(a, "Groceries");
    await a.getByRole("button", { name: "Undo" }).click();
    await a.getByRole("navigation", { name: "Lists" }).getByRole("link", { name: /Move house/ }).click();
    await showing(a, "boxes");
    await a.getByRole("navigation", { name: "Lists" }).getByRole("link", { name: /Groceries/ }).click();
    await showing(a, "milk", "bread ✓", "sea salt");
  });

  test("shared by invitation: the other sees the lists, who is here, and is given a task with a date", async () => {
    await todo.shareWith(a, b, invite, typeDigits);
    await b.getByRole("navigation", { name: "Lists" }).getByRole("link", { name: /Groceries/ }).click();
    await showing(b, "milk", "bread ✓", "sea salt");
    await a.locator(".list .av[title^=Bo]").waitFor();
    await item(a, "milk").getByRole("button", { name: "Assign" }).click();
    await a.getByRole("menuitem", { name: "Bo" }).click();
    await item(b, "milk").locator(".av[title^=Bo]").waitFor();
    const day = (days) => new Date(Date.now() + days * 24 * 3600 * 1000).toLocaleDateString("sv-SE");
    await item(a, "milk").getByLabel("Due").fill(day(0));
    await item(b, "milk").getByText("Today").waitFor();
    await item(a, "bread").getByLabel("Due").fill(day(-1));
    await item(b, "bread").locator(".due.over").getByText("Yesterday").waitFor();
    await picture(a, "light");
    assert.deepEqual(await axe(a), []);
    await b.emulateMedia({ colorScheme: "dark" });
    await picture(b, "dark");
    assert.deepEqual(await axe(b), []);
    await b.emulateMedia({ colorScheme: "light" });
  });

  test("a list deleted here while the other writes in it, offline, comes back with both", async () => {
    await Promise.all([todo.offline(a, true), todo.offline(b, true)]);
    await add(b, "written offline");
    await a.getByRole("button", { name: "List", exact: true }).click();
    await a.getByRole("menuitem", { name: "Delete list" }).click();
    await tasks.inList(a, "Move house");
    await Promise.all([todo.offline(a, false), todo.offline(b, false)]);
    await tasks.inList(b, "Move house");
    await a.getByRole("button", { name: "Undo" }).click();
    await a.getByRole("navigation", { name: "Lists" }).getByRole("link", { name: /Groceries/ }).click();
    await showing(a, "milk", "bread ✓", "sea salt", "written offline");
  });

  test("TodoMVC and Composer stand at the same address with the same person and the same data", async () => {
    const list = await ada.goto(`${server.url}/todomvc/`);
    await todo.ready(list);
    await list.getByLabel("Space", { exact: true }).selectOption({ label: "Tasks" });
    await until("the tasks", async () => (await todo.shown(list)).includes("milk"));
    await todo.add(list, "from TodoMVC");
    await a.getByRole("navigation", { name: "Lists" }).getByRole("link", { name: /Other tasks/ }).click();
    await showing(a, "from TodoMVC");
    await picture(list, "todomvc");
    await list.close();
    const composer = await ada.goto(server.url);
    await composer.getByRole("navigation", { name: "Spaces" }).getByRole("button", { name: "Tasks" }).click();
    await composer.getByRole("treeitem", { name: "Groceries" }).click();
    await composer.getByText("sea salt").waitFor();
    await picture(composer, "composer");
    await composer.close();
  });

  test("it starts without the server", async () => {
    await offlineReady(a);
    await server.stop();
    await a.reload();
    await tasks.ready(a);
    await a.getByRole("navigation", { name: "Lists" }).getByRole("link", { name: /Groceries/ }).click();
    await showing(a, "milk", "bread ✓", "sea salt", "written offline");
    await server.start();
  });
});

describe("Tasks on a phone", { concurrency: false }, () => {
  let server, ada, page;

  before(async () => {
    server = await Server.start();
    ada = await Profile.open("phone", { viewport: { width: 390, height: 780 }, touch: true });
    page = await tasks.open(ada, server, "Ada");
  });

  after(async () => {
    await ada?.remove();
    await server?.stop();
  });

  test("with a finger: add, check, order, delete, undo", async () => {
    await page.getByLabel("New list").tap();
    await page.keyboard.type("Groceries");
    await page.keyboard.press("Enter");
    await tasks.inList(page, "Groceries");
    await add(page, "milk", "bread", "salt");
    await check(page, "bread").tap();
    await showing(page, "milk", "bread ✓", "salt");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(wide, false, "nothing stands outside the screen");
    await picture(page, "phone");
    await page.emulateMedia({ colorScheme: "dark" });
    await picture(page, "phone-dark");
    assert.deepEqual(await axe(page), []);
    const session = await page.context().newCDPSession(page);
    const touch = (type, points) => session.send("Input.dispatchTouchEvent", { type, touchPoints: points });
    const from = await handle(page, "salt").boundingBox();
    const to = await item(page, "milk").boundingBox();
    const [x, y] = [from.x + from.width / 2, from.y + from.height / 2];
    await touch("touchStart", [{ x, y }]);
    for (const part of [0.3, 0.6, 1]) await touch("touchMove", [{ x, y: y + (to.y + to.height * 0.2 - y) * part }]);
    await touch("touchEnd", []);
    await session.detach();
    await showing(page, "salt", "milk", "bread ✓");
    await page.getByRole("button", { name: "Delete: milk" }).click();
    await showing(page, "salt", "bread ✓");
    await page.getByRole("button", { name: "Undo" }).click();
    await showing(page, "salt", "milk", "bread ✓");
  });
});

describe("Tasks by keyboard alone", { concurrency: false }, () => {
  let server, ada, page;

  before(async () => {
    server = await Server.start();
    ada = await Profile.open("keys");
    page = await ada.goto(`${server.url}/tasks/`);
    await page.getByLabel("Your name").waitFor();
  });

  after(async () => {
    await ada?.remove();
    await server?.stop();
  });

  /** Presses Tab until what has the focus has a label that fits. */
  const reach = (label, key = "Tab") => until(`the focus on ${label}`, async () => {
    await page.keyboard.press(key);
    return page.evaluate((pattern) => new RegExp(pattern).test(document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent), label);
  });

  test("from the first start to an ordered list", async () => {
    await page.keyboard.type("Ada");
    await page.keyboard.press("Enter");
    await tasks.ready(page);
    await reach("^New list");
    await page.keyboard.type("Home");
    await page.keyboard.press("Enter");
    await tasks.inList(page, "Home");
    await reach("^New task");
    for (const title of ["one", "two", "three"]) {
      await page.keyboard.type(title);
      await page.keyboard.press("Enter");
    }
    await showing(page, "one", "two", "three");
    await reach("^Move: three", "Shift+Tab");
    await page.keyboard.press("ArrowUp");
    await showing(page, "one", "three", "two");
    // The handle keeps the focus though its line stands elsewhere.
    await until("the handle", () => page.evaluate(() => document.activeElement.getAttribute("aria-label")?.startsWith("Move: three")));
    await page.keyboard.press("ArrowUp");
    await showing(page, "three", "one", "two");
    await page.getByText("three is 1 of 3").waitFor({ state: "attached" });
    await until("the handle", () => page.evaluate(() => document.activeElement.getAttribute("aria-label")?.startsWith("Move: three")));
    await reach("^Done: three");
    await page.keyboard.press("Space");
    await showing(page, "three ✓", "one", "two");
    await reach("^Delete: three");
    await page.keyboard.press("Enter");
    await showing(page, "one", "two");
    await reach("Undo$");
    await page.keyboard.press("Enter");
    await showing(page, "three ✓", "one", "two");
  });

  test("the share panel opens, and gives the focus back", async () => {
    await reach("^ ?Share", "Shift+Tab");
    await page.keyboard.press("Enter");
    await page.getByTestId("invitation-link").waitFor();
    assert.deepEqual(await axe(page), []);
    await closeDialog(page);
    await until("the focus on Share", () => page.evaluate(() => /Share/.test(document.activeElement.textContent)));
  });
});

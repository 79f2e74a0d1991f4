// TodoMVC: every line of the application specification, then what it says nothing of: sharing, offline, ten thousand.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Profile, picture } from "../lib/browser.mjs";
import { invite, typeDigits } from "../lib/composer.mjs";
import { firstLoadBytes } from "../lib/measure.mjs";
import { NativePeer } from "../lib/native.mjs";
import { axe, offlineReady, until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";
import * as todo from "../lib/todomvc.mjs";

const { add, counts, edit, item, showing, toggle } = todo;

describe("TodoMVC", { concurrency: false }, () => {
  let server, ada, page;

  before(async () => {
    server = await Server.start();
    ada = await Profile.open("ada");
    page = await todo.open(ada, server, "Ada");
  });

  after(async () => {
    await ada?.remove();
    await server?.stop();
  });

  test("main and footer are hidden without todos, and the field has the focus", async () => {
    assert.equal(await page.locator(".main").isVisible(), false);
    assert.equal(await page.locator(".footer").isVisible(), false);
    await until("the focus", () => page.evaluate(() => document.activeElement.classList.contains("new-todo")));
  });

  test("enter adds a trimmed todo and clears the field; nothing is no todo", async () => {
    await add(page, "  buy milk  ", "   ", "bake bread");
    await showing(page, "buy milk", "bake bread");
    assert.equal(await page.locator(".new-todo").inputValue(), "");
    assert.equal(await page.locator(".main").isVisible(), true);
    await counts(page, "2 items left");
    await picture(page, "light");
    assert.deepEqual(await axe(page), []);
  });

  test("the counter has a plural and counts what is open", async () => {
    await toggle(page, "buy milk");
    await showing(page, "buy milk ✓", "bake bread");
    await counts(page, "1 item left");
    await toggle(page, "bake bread");
    await counts(page, "0 items left");
    assert.equal(await page.locator(".todo-count strong").innerText(), "0");
  });

  test("toggle all follows the items and sets them all", async () => {
    const all = page.locator("#toggle-all");
    assert.equal(await all.isChecked(), true);
    await toggle(page, "bake bread");
    await until("unchecked", async () => !(await all.isChecked()));
    await page.locator("label[for=toggle-all]").click();
    await showing(page, "buy milk ✓", "bake bread ✓");
    await page.locator("label[for=toggle-all]").click();
    await showing(page, "buy milk", "bake bread");
    await counts(page, "2 items left");
  });

  test("a double click edits; enter and leaving the field keep, escape does not", async () => {
    let field = await edit(page, "buy milk");
    assert.equal(await item(page, "buy milk").locator(".toggle").isVisible(), false);
    assert.equal(await field.inputValue(), "buy milk");
    await until("focus", () => field.evaluate((one) => document.activeElement === one));
    await field.fill("  buy oat milk ");
    await field.press("Enter");
    await showing(page, "buy oat milk", "bake bread");
    field = await edit(page, "bake bread");
    await field.fill("bake rolls");
    await field.blur();
    await showing(page, "buy oat milk", "bake rolls");
    field = await edit(page, "bake rolls");
    await field.fill("something else");
    await field.press("Escape");
    assert.equal(await page.locator(".editing").count(), 0);
    await showing(page, "buy oat milk", "bake rolls");
    await page.locator(".new-todo").click();
    await showing(page, "buy oat milk", "bake rolls");
  });

  test("a todo edited to nothing is deleted, and so is one whose cross is pressed", async () => {
    await add(page, "one", "two");
    const field = await edit(page, "one");
    await field.fill("  ");
    await field.press("Enter");
    await showing(page, "buy oat milk", "bake rolls", "two");
    await item(page, "two").hover();
    await item(page, "two").locator(".destroy").click();
    await showing(page, "buy oat milk", "bake rolls");
  });

  test("clear completed removes what is done, and is gone when nothing is", async () => {
    const clear = page.getByRole("button", { name: "Clear completed" });
    assert.equal(await clear.count(), 0);
    await add(page, "sweep");
    await toggle(page, "sweep");
    await clear.click();
    await showing(page, "buy oat milk", "bake rolls");
    await until("gone", async () => (await clear.count()) === 0);
  });

  test("routes show all, active and completed, at once and after a reload", async () => {
    await toggle(page, "bake rolls");
    await page.getByRole("link", { name: "Active" }).click();
    await showing(page, "buy oat milk");
    assert.equal(await page.getByRole("link", { name: "Active" }).getAttribute("class"), "selected");
    await toggle(page, "buy oat milk");
    await showing(page);
    await page.getByRole("link", { name: "Completed" }).click();
    await showing(page, "buy oat milk ✓", "bake rolls ✓");
    await toggle(page, "buy oat milk");
    await showing(page, "bake rolls ✓");
    await page.reload();
    await todo.ready(page);
    assert.equal(await page.getByRole("link", { name: "Completed" }).getAttribute("class"), "selected");
    await showing(page, "bake rolls ✓");
    await page.goBack();
    await showing(page, "buy oat milk");
    await page.getByRole("link", { name: "All" }).click();
    await showing(page, "buy oat milk", "bake rolls ✓");
  });

  test("a reload keeps everything, but no edit under way", async () => {
    await (await edit(page, "buy oat milk")).fill("half an edit");
    await page.reload();
    await todo.ready(page);
    await showing(page, "buy oat milk", "bake rolls ✓");
    assert.equal(await page.locator(".editing").count(), 0);
  });

  test("titles of any kind are text, whole", async () => {
    const html = "<img src=x onerror=alert(1)><b>bold</b>";
    const long = "long ".repeat(20_000).trim();
    const odd = ["👩‍👩‍👧‍👦 family 🏳️‍🌈", "שלום עולם", html];
    await add(page, ...odd);
    await showing(page, "buy oat milk", "bake rolls ✓", ...odd);
    assert.equal(await page.locator(".todo-list img, .todo-list b").count(), 0);
    await add(page, long);
    await until("100 kB", async () => (await todo.shown(page)).at(-1) === long);
    await item(page, "bake rolls").scrollIntoViewIfNeeded();
    await picture(page, "odd-titles");
    await item(page, long.slice(0, 9)).count();
    for (const title of [long, ...odd]) {
      const line = page.locator(".todo-list li").filter({ hasText: title.slice(0, 30) });
      await line.hover({ position: { x: 200, y: 20 } });
      await line.locator(".destroy").click();
    }
    await showing(page, "buy oat milk", "bake rolls ✓");
  });

  test("by keyboard alone", async () => {
    await page.locator(".new-todo").focus();
    await page.keyboard.type("walk");
    await page.keyboard.press("Enter");
    await showing(page, "buy oat milk", "bake rolls ✓", "walk");
    const label = (name) => until(`the focus on ${name}`, async () => {
      await page.keyboard.press("Tab");
      return page.evaluate((wanted) => document.activeElement.getAttribute("aria-label") === wanted, name);
    });
    await label("Done: walk");
    await page.keyboard.press("Space");
    await showing(page, "buy oat milk", "bake rolls ✓", "walk ✓");
    await label("Delete: walk");
    await page.keyboard.press("Enter");
    await showing(page, "buy oat milk", "bake rolls ✓");
  });

  test("in the dark, and on a phone", async () => {
    await page.emulateMedia({ colorScheme: "dark" });
    await picture(page, "dark");
    assert.deepEqual(await axe(page), []);
    await page.setViewportSize({ width: 390, height: 780 });
    await picture(page, "phone-dark");
    await page.emulateMedia({ colorScheme: "light" });
    await picture(page, "phone-light");
    assert.deepEqual(await axe(page), []);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  test("the first load does not grow", async () => {
    const fresh = await Profile.open("fresh");
    const first = await todo.open(fresh, server, "Fresh");
    const bytes = await firstLoadBytes(first, "todomvc", { unasked: false });
    const whole = await firstLoadBytes(first, "todomvc");
    await fresh.remove();
    const own = await page.evaluate(async () => {
      await fetch("/todomvc/app_bg.wasm?measured", { cache: "no-store" }).then((one) => one.arrayBuffer());
      return performance.getEntriesByName(new URL("/todomvc/app_bg.wasm?measured", location.href).href).at(-1).encodedBodySize;
    });
    console.log(`TodoMVC: first load ${(bytes / 1024).toFixed(0)} KiB, with what presses load ${(whole / 1024).toFixed(0)} KiB, its own WASM ${(own / 1000).toFixed(0)} kB`);
    // The bars are 1.2 MiB and 150 kB; what keeps them from being met stands in docs/decisions/0011. No step back from here:
    assert.ok(bytes <= 1_335 * 1024, `${bytes} bytes`);
    assert.ok(own <= 284_000, `${own} bytes`);
  });
});

describe("TodoMVC with others", { concurrency: false }, () => {
  let server, ada, bo, a, b;

  before(async () => {
    server = await Server.start();
    ada = await Profile.open("ada");
    bo = await Profile.open("bo");
    a = await todo.open(ada, server, "Ada");
    b = await todo.open(bo, server, "Bo");
    await add(a, "milk", "bread", "salt");
  });

  after(async () => {
    await ada?.remove();
    await bo?.remove();
    await server?.stop();
  });

  test("an invitation shows the same list to both", async () => {
    await todo.shareWith(a, b, invite, typeDigits);
    await showing(b, "milk", "bread", "salt");
    await toggle(b, "bread");
    await showing(a, "milk", "bread ✓", "salt");
    await picture(b, "joined");
  });

  test("who comes by a link first has that list, and no empty one beside it", async () => {
    const cy = await Profile.open("cy");
    const { link, code } = await invite(a);
    const page = await cy.goto(link);
    await page.getByLabel("Your name").fill("Cy");
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByLabel("Digit 1").waitFor();
    await typeDigits(page, code);
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await showing(page, "milk", "bread ✓", "salt");
    assert.equal(await page.getByLabel("Space", { exact: true }).count(), 0, "one space: nothing to choose");
    await a.keyboard.press("Escape");
    await cy.remove();
  });

  test("toggles and edits made at the same time, both offline, come to one list", async () => {
    await Promise.all([todo.offline(a, true), todo.offline(b, true)]);
    await toggle(a, "milk");
    await add(a, "from Ada");
    const field = await edit(b, "milk");
    await field.fill("oat milk");
    await field.press("Enter");
    await add(b, "from Bo");
    await item(b, "salt").hover();
    await item(b, "salt").locator(".destroy").click();
    await showing(a, "milk ✓", "bread ✓", "salt", "from Ada");
    await showing(b, "oat milk", "bread ✓", "from Bo");
    await Promise.all([todo.offline(a, false), todo.offline(b, false)]);
    for (const page of [a, b]) {
      await until("one list", async () => {
        const now = await todo.shown(page);
        return ["oat milk ✓", "bread ✓", "from Ada", "from Bo"].every((one) => now.includes(one)) && now.length === 4 || { now } && false;
      });
    }
    assert.deepEqual(await todo.shown(a), await todo.shown(b));
  });

  test("a second tab shows and changes the same", async () => {
    const tab = await ada.goto(`${server.url}/todomvc/`);
    await todo.ready(tab);
    await until("the list", async () => (await todo.shown(tab)).length === 4);
    await add(tab, "second tab");
    await until("in the first tab", async () => (await todo.shown(a)).includes("second tab"));
    await tab.close();
  });

  test("without the server it starts from this device", async () => {
    await offlineReady(a);
    await server.stop();
    await a.reload();
    await todo.ready(a);
    await until("the list", async () => (await todo.shown(a)).length === 5);
    await server.start();
  });
});

describe("TodoMVC with ten thousand todos", { concurrency: false }, () => {
  let server, ada, page, native;

  before(async () => {
    server = await Server.start();
    native = new NativePeer(server);
    ada = await Profile.open("many");
    page = await todo.open(ada, server, "Ada");
  });

  after(async () => {
    await ada?.remove();
    await native?.remove();
    await server?.stop();
  });

  /** Milliseconds of CPU the page's own thread takes for `work`. */
  async function cpu(work) {
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable", { timeDomain: "threadTicks" });
    const taken = async () => {
      const { metrics } = await session.send("Performance.getMetrics");
      return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
    };
    const before = await taken();
    await work();
    const after = await taken();
    await session.detach();
    return after - before;
  }

  test("toggle all and typing take little of the page's time, and few lines are drawn", async () => {
    // Nobody types so many: a peer at a command line brings them.
    const { link, code } = await invite(page);
    await native.run("join", link, "--name", "Bo", "--auth", code);
    await page.keyboard.press("Escape");
    const todos = Array.from({ length: 10_000 }, (_, i) => ({ "@type": "org.dxos.type.Task@0.1.0", title: `todo ${i}`, done: false }));
    const file = join(native.dir, "todos.json");
    writeFileSync(file, JSON.stringify(todos));
    await native.run("object", "put", "Todos", file);
    await counts(page, "10000 items left");
    assert.ok(await page.locator(".todo-list li").count() <= 200);
    const drawn = await page.locator(".todo-list li").count();
    // Counted where it happens: what the page changes in its list. Milliseconds hang on the machine and are printed.
    await page.evaluate(() => {
      window.__changes = 0;
      new MutationObserver((records) => { window.__changes += records.length; })
        .observe(document.querySelector(".todo-list"), { subtree: true, childList: true, attributes: true, characterData: true });
    });
    const changes = () => page.evaluate(() => { const seen = window.__changes; window.__changes = 0; return seen; });
    const typing = await cpu(async () => {
      await page.locator(".new-todo").pressSequentially("ten keys..");
    });
    assert.equal(await changes(), 0, "typing draws no line");
    const toggling = await cpu(async () => {
      // Watched from within: asking again and again would be counted too.
      const none = page.evaluate(() => new Promise((done) => {
        const count = document.querySelector(".todo-count strong");
        new MutationObserver(() => count.textContent === "0" && done()).observe(count, { subtree: true, childList: true, characterData: true });
      }));
      await page.locator("label[for=toggle-all]").click();
      await none;
    });
    const toggled = await changes();
    assert.ok(toggled >= drawn && toggled <= 3 * drawn, `${toggled} changes for ${drawn} lines`);
    console.log(`10,000 todos: ten keys ${typing.toFixed(0)} ms, toggle all ${toggling.toFixed(0)} ms of the page's CPU (bar: 100)`);
    // Three times the bar: what no machine that is merely busy reaches.
    assert.ok(typing < 300, `${typing} ms`);
    assert.ok(toggling < 300, `${toggling} ms`);
  });
});

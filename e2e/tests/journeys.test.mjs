// The first minutes of a person without a mouse, and of one with a phone: from a name to a shared document.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Profile, picture } from "../lib/browser.mjs";
import { factIs, ready, textIs } from "../lib/composer.mjs";
import { faces } from "../lib/harm.mjs";
import { until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";

/** Least side of what a finger presses, px. */
const TARGET_PX = 40;
const TABS_MAX = 60;

describe("journeys", { concurrency: false }, () => {
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

  test("with the keyboard alone: name, space, document, share, close", async () => {
    profile = await Profile.open("keyboard");
    const page = await profile.goto(server.url);
    await focused(page, "Your name");
    assert.deepEqual(await faces(page, "hello"), []);
    await page.keyboard.press("Enter");
    await page.getByText("Type a name first; any name will do.").waitFor();
    await page.keyboard.type("Ada");
    await page.keyboard.press("Enter");
    await ready(page);
    // By Tab, as somebody does who knows no shortcut.
    await tabTo(page, "New space");
    await page.keyboard.press("Enter");
    await focused(page, "Name");
    assert.deepEqual(await faces(page, "new-space"), []);
    await page.keyboard.type("River study");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "River study", exact: true }).first().waitFor();
    assert.deepEqual(await faces(page, "empty-space"), []);
    await tabTo(page, "New document");
    await page.keyboard.press("Enter");
    await focused(page, "Document title");
    await page.keyboard.type("Field notes");
    await page.keyboard.press("Enter");
    await focused(page, "Document text");
    await page.keyboard.type("# Heading\n\nA line with **weight**.");
    await factIs(page, "save", "saved");
    assert.deepEqual(await faces(page, "document"), []);
    // Tab leads on: the editor is no trap.
    await tabTo(page, "Share");
    await page.keyboard.press("Enter");
    await page.getByTestId("auth-code").waitFor();
    assert.deepEqual(await faces(page, "share"), []);
    await tabTo(page, "Invitation link");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await focused(page, "Share");
    await tabTo(page, "Close");
    await page.keyboard.press("Enter");
    await page.getByRole("article", { name: "Field notes" }).waitFor({ state: "detached" });
    // The palette finds it again.
    await page.keyboard.press("Control+k");
    await page.keyboard.type("Field");
    await page.getByRole("option", { name: /^Field notes/ }).waitFor();
    assert.deepEqual(await faces(page, "palette"), []);
    await page.keyboard.press("Enter");
    await textIs(page, "# Heading\n\nA line with **weight**.");
  });

  test("with a finger on a phone: name, space, document, share, close", async () => {
    profile = await Profile.open("phone", { viewport: { width: 390, height: 844 }, touch: true });
    const page = await profile.goto(server.url);
    await page.getByLabel("Your name").tap();
    await page.keyboard.type("Ada");
    await page.getByRole("button", { name: "Start" }).tap();
    await page.locator(".shell").waitFor();
    await reachable(page, "the personal space");
    await page.getByRole("button", { name: "Navigation" }).tap();
    const rail = page.getByRole("navigation", { name: "Spaces" });
    await rail.waitFor();
    await settled(page);
    await reachable(page, "the drawer");
    assert.deepEqual(await faces(page, "drawer"), []);
    await rail.getByRole("button", { name: "New space" }).tap();
    await page.getByRole("dialog").getByLabel("Name").tap();
    await page.keyboard.type("River study");
    await page.getByRole("dialog").getByRole("button", { name: "Create" }).tap();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.locator(".deck").getByRole("button", { name: "New document" }).tap();
    await page.getByLabel("Document title").tap();
    await page.keyboard.type("Field notes");
    await page.keyboard.press("Enter");
    await page.locator(".cm-content:focus").waitFor();
    await page.keyboard.type("Written with a thumb.");
    await factIs(page, "save", "saved");
    await reachable(page, "a document");
    assert.deepEqual(await faces(page, "document"), []);
    await page.locator(".top").getByRole("button", { name: "Share" }).tap();
    await page.getByTestId("auth-code").waitFor();
    await reachable(page, "the share dialog");
    assert.deepEqual(await faces(page, "share"), []);
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).tap();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await textIs(page, "Written with a thumb.");
    await picture(page, "end");
  });

  /** What has the focus has this label. */
  function focused(page, label) {
    return until(`${label} has the focus`, async () => {
      const now = await focusLabel(page);
      assert.ok(now.startsWith(label), `it is on "${now}"`);
      return true;
    });
  }

  function focusLabel(page) {
    return page.evaluate(() => {
      const at = document.activeElement;
      const own = at?.getAttribute("aria-label") ?? at?.labels?.[0]?.innerText ?? at?.innerText ?? "";
      return own.trim();
    });
  }

  /** Presses Tab until something of this label has the focus; what has it is always to be seen. */
  async function tabTo(page, label) {
    const passed = [];
    for (let n = 0; n < TABS_MAX; n += 1) {
      await page.keyboard.press("Tab");
      const now = await focusLabel(page);
      passed.push(now.slice(0, 20));
      const seen = await page.evaluate(() => {
        const at = document.activeElement;
        if (!at || at === document.body) return true;
        const ring = (node) => {
          const style = getComputedStyle(node);
          return style.boxShadow !== "none" || (style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) > 0);
        };
        const box = at.getBoundingClientRect();
        return box.width > 0 && box.height > 0 && (ring(at) || ring(at.parentElement) || at.matches(".cm-content, textarea, input"));
      });
      assert.ok(seen, `the focus on "${now}" is not to be seen`);
      if (now.startsWith(label)) return;
    }
    throw new Error(`Tab does not reach ${label}: ${passed.join(" | ")}`);
  }

  /** Everything a finger presses is large enough, and nothing is wider than the screen. */
  async function reachable(page, where) {
    const small = await page.evaluate((least) => {
      const seen = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !node.closest("[inert]");
      const open = document.querySelector("dialog[open]");
      const within = open ?? document;
      return [...within.querySelectorAll("button, [role=treeitem], select, input:not([type=checkbox])")].filter(seen).flatMap((node) => {
        const box = node.getBoundingClientRect();
        if (box.right <= 0 || box.width === 0) return [];
        const middle = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        // Covered by something else, as what is behind the drawer.
        if (!middle || !(node.contains(middle) || middle.contains(node))) return [];
        // A label or a pseudo element may widen what can be pressed.
        const wide = [0.5, least / 2 - 1].every((by) => [[by, 0], [-by, 0], [0, by], [0, -by]].every(([x, y]) => {
          const hit = document.elementFromPoint(box.left + box.width / 2 + x, box.top + box.height / 2 + y);
          return hit && (node.contains(hit) || hit.contains(node) && hit.closest("label, .link, .field") !== null);
        }));
        return wide ? [] : [`${node.getAttribute("aria-label") ?? node.innerText.trim()} ${Math.round(box.width)}×${Math.round(box.height)}`];
      });
    }, TARGET_PX);
    assert.deepEqual(small, [], `too small for a finger in ${where}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(wide, 0, `${where} is wider than the screen`);
  }

  /** Motion has ended. */
  function settled(page) {
    return page.waitForFunction(() => document.getAnimations().every((one) => one.playState !== "running" || one.effect?.getTiming().iterations === Infinity));
  }
});

// Invitations that do not let anybody in: each says why, and what to do next.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Profile } from "../lib/browser.mjs";
import { closeDialog, createSpace, invite, start, typeDigits } from "../lib/composer.mjs";
import { faces, shiftClock } from "../lib/harm.mjs";
import { NativePeer } from "../lib/native.mjs";
import { until } from "../lib/page.mjs";
import { Server } from "../lib/server.mjs";

const DAY_MS = 24 * 3600 * 1000;
/** Longer than a guest waits for a host. */
const WAIT_MS = 10 * 60 * 1000;

describe("invitations that fail", { concurrency: false }, () => {
  let server, other, ada, bo, native, pageA, pageB;

  before(async () => {
    server = await Server.start();
    ada = await Profile.open("host");
    bo = await Profile.open("guest");
    native = new NativePeer(server);
    pageA = await ada.goto(server.url);
    await start(pageA, "Ada");
    await createSpace(pageA, "River study");
    pageB = await bo.goto(server.url);
    await start(pageB, "Bo");
  });

  after(async () => {
    await ada?.remove();
    await bo?.remove();
    await native?.remove();
    await server?.stop();
    await other?.stop();
  });

  /** Bo pastes something into the join dialog. */
  async function join(pasted) {
    const dialog = pageB.getByRole("dialog");
    if (await dialog.count() > 0) await closeDialog(pageB);
    await pageB.getByRole("button", { name: "Join a space" }).first().click();
    await dialog.getByLabel("Invitation").fill(pasted);
    await dialog.getByRole("button", { name: "Continue" }).click();
  }

  const said = (words) => pageB.getByRole("dialog").getByText(words).first().waitFor();

  /** Ada's dialog gives a fresh link, whatever it showed before. */
  async function fresh() {
    const again = pageA.getByRole("dialog").getByRole("button", { name: /New invitation|Invite another/ });
    if (await again.count() > 0) await again.click();
    if (await pageA.getByRole("dialog").count() > 0) await closeDialog(pageA);
    return invite(pageA);
  }

  test("what is no code is told so at once", async () => {
    await join("hello there");
    await said("it has 10 of 37 characters. Copy the whole link or code again.");
    assert.deepEqual(await faces(pageB, "no-code"), []);
  });

  test("a mistyped code is told so at once", async () => {
    const { link } = await fresh();
    const at = link.length - 4;
    const typo = link.slice(0, at) + (link[at] === "a" ? "b" : "a") + link.slice(at + 1);
    await join(typo);
    await said("This invitation code has a typing error. Copy the whole link or code again.");
  });

  test("a cancelled one says so to whoever comes later", async () => {
    const { link } = await fresh();
    // Another role makes another invitation; the first one is over.
    await pageA.getByLabel("What they can do").selectOption("read");
    await until("another link", async () => {
      const now = await pageA.getByTestId("invitation-link").inputValue().catch(() => link);
      return now !== link && now.length > 0;
    });
    await join(link);
    await said("The invitation was cancelled.");
    await said("Ask for a new invitation.");
    assert.deepEqual(await faces(pageB, "cancelled"), []);
  });

  test("a used one says so", async () => {
    const { link, code } = await fresh();
    await native.run("join", link, "--name", "Cy", "--auth", code);
    await pageA.getByText("Cy joined.").waitFor();
    await join(link);
    await said("This invitation was already used.");
    await said("Ask for a new invitation.");
  });

  test("three wrong codes end it on both sides", async () => {
    const { link, code } = await fresh();
    await join(link);
    await pageB.getByLabel("Digit 1").waitFor();
    const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
    for (const left of ["2 tries left", "1 try left"]) {
      await typeDigits(pageB, wrong);
      await said(left);
    }
    assert.deepEqual(await faces(pageB, "wrong-digits"), []);
    await typeDigits(pageB, wrong);
    await said(/wrong too often/);
    await pageA.getByRole("dialog").getByText(/wrong too often/).first().waitFor();
    assert.deepEqual(await faces(pageB, "wrong-too-often"), []);
  });

  test("a link of another server names its address, and ends when nobody answers", async () => {
    other = await Server.start();
    const cy = await Profile.open("elsewhere");
    try {
      const page = await cy.goto(other.url);
      await start(page, "Cy");
      await createSpace(page, "Hills");
      const { link } = await invite(page);
      await join(link);
      await said(`This link was made at ${other.url}, and this page is ${server.url}.`);
      assert.deepEqual(await faces(pageB, "elsewhere"), []);
      await shiftClock(pageB, WAIT_MS);
      await said("Nobody answered.");
      await said("at the same address as this page");
      assert.deepEqual(await faces(pageB, "nobody-answered"), []);
      await pageB.getByRole("dialog").getByRole("button", { name: "Try again" }).waitFor();
    } finally {
      await cy.remove();
    }
  });

  // Last: Ada's clock stays a day ahead.
  test("an expired one says so on both sides", async () => {
    const { link } = await fresh();
    await shiftClock(pageA, 2 * DAY_MS);
    await pageA.getByRole("dialog").getByText("This invitation has expired.").waitFor();
    await join(link);
    await said("The invitation has expired.");
    await said("Ask for a new invitation.");
    assert.deepEqual(await faces(pageB, "expired"), []);
    assert.deepEqual(await faces(pageA, "expired-host"), []);
  });
});

// TodoMVC as a person uses it. Everything is found by role, label, or the classes its specification names.
import { until } from "./page.mjs";

/** Opens the app in a profile that knows nobody yet, and gives a name. */
export async function open(profile, server, name) {
  const page = await profile.goto(`${profile.urlOf(server)}/todomvc/`);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Start" }).click();
  await ready(page);
  return page;
}

/** The app stands in its space. */
export const ready = (page) => page.locator(".new-todo").waitFor();

/** Adds todos, one after the other. */
export async function add(page, ...titles) {
  for (const title of titles) {
    await page.locator(".new-todo").fill(title);
    await page.locator(".new-todo").press("Enter");
  }
}

/** What is shown, in order: `title`, or `title ✓` when done. */
export function shown(page) {
  return page.locator(".todo-list li").evaluateAll((items) => items.map((item) => item.querySelector("label").textContent + (item.classList.contains("completed") ? " ✓" : "")));
}

/** Waits for exactly these todos, as `shown` gives them. */
export function showing(page, ...expected) {
  return until(`shown: ${expected.join(", ")}`, async () => {
    const now = await shown(page);
    return JSON.stringify(now) === JSON.stringify(expected) || { now } && false;
  });
}

/** The line of a todo. */
export const item = (page, title) => page.locator(".todo-list li").filter({ has: page.locator("label", { hasText: new RegExp(`^${title}$`) }) });

/** Checks or unchecks a todo. */
export const toggle = (page, title) => item(page, title).locator(".toggle").click({ force: true });

/** Begins to edit a todo; gives its field. */
export async function edit(page, title) {
  await item(page, title).locator("label").dblclick();
  const field = page.locator(".todo-list li.editing .edit");
  await field.waitFor();
  return field;
}

/** The counter's words. */
export const counter = async (page) => (await page.locator(".todo-count").innerText()).replaceAll(/\s+/g, " ").trim();

export function counts(page, words) {
  return until(`the counter says ${words}`, async () => {
    const now = await counter(page);
    return now === words || { now } && false;
  });
}

/** Puts the device off the net, or back, as a person does. */
export async function offline(page, on) {
  await page.locator(".status-link").click();
  const wanted = on ? ["offline"] : ["online", "direct", "relayed"];
  await until(on ? "offline" : "online", async () => wanted.includes(await page.locator(".status-link").getAttribute("data-link")));
}

/** Lets the person at `guest` into the space of `host`. */
export async function shareWith(host, guest, invite, typeDigits) {
  const { link, code } = await invite(host);
  await guest.goto(link);
  await guest.getByLabel("Digit 1").waitFor();
  await typeDigits(guest, code);
  await guest.getByRole("dialog").waitFor({ state: "detached" });
  await host.keyboard.press("Escape");
}

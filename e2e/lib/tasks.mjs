// Tasks as a person uses it. Everything is found by role and label.
import { until } from "./page.mjs";

/** Opens the app in a profile that knows nobody yet, and gives a name. */
export async function open(profile, server, name) {
  const page = await profile.goto(`${profile.urlOf(server)}/tasks/`);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Start" }).click();
  await ready(page);
  return page;
}

export const ready = (page) => page.getByRole("navigation", { name: "Lists" }).waitFor();

/** Makes a list and is in it. */
export async function newList(page, name) {
  await page.getByLabel("New list").fill(name);
  await page.getByLabel("New list").press("Enter");
  await inList(page, name);
}

export const inList = (page, name) => until(`the list ${name}`, async () => (await page.getByLabel("List name").inputValue()) === name);

export async function add(page, ...titles) {
  for (const title of titles) {
    await page.getByLabel("New task").fill(title);
    await page.getByLabel("New task").press("Enter");
    await item(page, title).waitFor();
  }
}

/** What the open list shows, in order: `title`, or `title ✓` when done. */
export function shown(page) {
  return page.locator(".task").evaluateAll((items) => items.map((one) => one.querySelector(".title").value + (one.classList.contains("done") ? " ✓" : "")));
}

export function showing(page, ...expected) {
  return until(`shown: ${expected.join(", ")}`, async () => {
    const now = await shown(page);
    return JSON.stringify(now) === JSON.stringify(expected) || { now } && false;
  });
}

/** The line of a task. */
export const item = (page, title) => page.locator(".task").filter({ has: page.getByRole("checkbox", { name: `Done: ${title}`, exact: true }) });

export const check = (page, title) => page.getByRole("checkbox", { name: `Done: ${title}`, exact: true });
export const handle = (page, title) => page.getByRole("button", { name: new RegExp(`^Move: ${title}\\.`) });

/** Drags a task by its handle onto the place of another, with the mouse or a finger. */
export async function drag(page, title, onto) {
  const from = await handle(page, title).boundingBox();
  const to = await item(page, onto).boundingBox();
  const below = to.y > from.y;
  const [x, y] = [from.x + from.width / 2, from.y + from.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x, to.y + to.height * (below ? 0.8 : 0.2), { steps: 6 });
  await page.mouse.up();
}

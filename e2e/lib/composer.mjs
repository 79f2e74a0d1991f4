// Composer as a person uses it: names, documents, invitations, text. Everything is found by role and label.
import { until } from "./page.mjs";

/** First run: gives the name and waits for the shell. */
export async function start(page, name) {
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Start" }).click();
  await ready(page);
}

/** The shell stands: there is an identity and a node answers. */
export async function ready(page) {
  await page.locator(".shell").waitFor();
  await page.getByRole("navigation", { name: "Spaces" }).waitFor();
}

/** Makes a space and is in it. */
export async function createSpace(page, name) {
  await page.getByRole("button", { name: "New space" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox").fill(name);
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("heading", { name, exact: true }).first().waitFor();
}

/** Goes to a space by the rail. */
export async function openSpace(page, name) {
  await page.getByRole("navigation", { name: "Spaces" }).getByRole("button", { name }).click();
  await page.getByRole("heading", { name, exact: true }).first().waitFor();
}

/** Makes a document with a title and leaves the caret in its text. */
export async function createDocument(page, title) {
  await page.getByRole("button", { name: "New document" }).first().click();
  const field = page.getByLabel("Document title").last();
  await field.fill(title);
  await field.press("Enter");
  // Enter leads into the text, as soon as it is open.
  await page.locator(".cm-content:focus").waitFor();
  await page.getByRole("treeitem", { name: title }).waitFor();
}

/** Opens a document from the tree. */
export async function openDocument(page, title) {
  await page.getByRole("treeitem", { name: title }).click();
  await page.locator(".editor[data-open=true]").last().waitFor();
}

/** The chip of a tag on the open document. */
export const chip = (page, tag) => page.locator(`.tag[data-tag="${tag}"]`).last();

/** Puts a tag on the open document. */
export async function addTag(page, tag) {
  const field = page.getByRole("combobox", { name: "Add a tag" }).last();
  await field.fill(tag);
  await field.press("Enter");
  await chip(page, tag).waitFor();
}

/** Puts the caret at the end of the open text. */
export async function toEnd(page) {
  await page.locator(".cm-content").last().click();
  await page.keyboard.press("Control+End");
}

/** The open text, markup included. */
export function text(page) {
  return page.evaluate(() => {
    const content = [...document.querySelectorAll(".cm-content")].at(-1);
    const view = content?.cmTile?.view ?? content?.cmView?.view;
    return view ? view.state.doc.toString() : null;
  });
}

export function textIs(page, expected, options) {
  return until(`the text is ${JSON.stringify(expected.slice(0, 60))}`, async () => await text(page) === expected || { is: await text(page) } && false, options);
}

/** Both pages show the same text, and it holds every given part. */
export function converged(pages, parts = [], options) {
  return until(`${pages.length} pages show the same text with ${parts.join(", ")}`, async () => {
    const texts = await Promise.all(pages.map(text));
    const same = texts.every((one) => one === texts[0]) && texts[0] !== null;
    return same && parts.every((part) => texts[0].includes(part)) ? texts[0] : false;
  }, options);
}

export const fact = (page, name) => page.locator(`[data-${name}]`).first().getAttribute(`data-${name}`);

/** Waits for a fact of the status bar: link (offline, connecting, online, direct, relayed), sync, save. */
export function factIs(page, name, value, options) {
  return until(`${name} is ${value}`, async () => {
    const now = await fact(page, name);
    return now === value || { now } && false;
  }, options);
}

/** Opens the share dialog; gives link and auth code. */
export async function invite(page) {
  await page.getByRole("button", { name: /^Share/ }).first().click();
  const link = await until("the link", () => page.getByTestId("invitation-link").inputValue());
  const code = (await page.getByTestId("auth-code").innerText()).replaceAll(/\s/g, "");
  return { link, code };
}

/** Types the six digits. */
export async function typeDigits(page, code) {
  await page.getByLabel("Digit 1").click();
  await page.keyboard.type(code);
}

/** Closes the dialog on top. */
export async function closeDialog(page) {
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

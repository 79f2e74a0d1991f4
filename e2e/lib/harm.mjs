// Misfortunes, as close to the real thing as a browser lets a test come: a quota that is used up, storage that is
// denied, keys that are gone, workers that die, a text engine that traps.
import { picture } from "./browser.mjs";
import { axe, until } from "./page.mjs";

/** The dedicated worker of a page: the node, or one that waits for its turn. */
export function nodeWorker(page) {
  return until("the page has its worker", () => page.workers().find((worker) => worker.url().endsWith("/worker-boot.js")));
}

/**
 * The browser's own quota for this origin, in bytes; a function that gives the room back. Writes to files that would
 * grow past it throw QuotaExceededError, as on a full disk.
 */
export async function limitStorage(page, origin, bytes) {
  const wire = await page.context().newCDPSession(page);
  await wire.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: bytes });
  return async () => {
    await wire.send("Storage.overrideQuotaForOrigin", { origin });
    await wire.detach();
  };
}

/** Runs `script` in the worker before the worker's own, in pages to come. Only what no service worker answers. */
export async function beforeWorker(page, script) {
  await page.route("**/worker-boot.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${script})();\n${await response.text()}` });
  });
}

/** Ends the page's worker without a word to anybody, as the browser does when memory runs out. */
export async function killWorker(page) {
  const worker = await nodeWorker(page);
  const closed = new Promise((done) => { worker.once("close", done); });
  // The evaluation may end with the worker.
  await worker.evaluate(() => self.close()).catch(() => {});
  await closed;
}

/** The node of the page's worker traps at its next word to a tab. */
export async function trapNode(page) {
  const worker = await nodeWorker(page);
  const closed = new Promise((done) => { worker.once("close", done); });
  await worker.evaluate(() => {
    // Imports of the node's module: what throws here unwinds the module as a trap of its own does.
    MessagePort.prototype.postMessage = () => { throw new WebAssembly.RuntimeError("unreachable"); };
  });
  return closed;
}

/** Before the first text is opened: gives the worker a text engine whose exports can be made to trap. */
export async function fragileText(page) {
  const worker = await nodeWorker(page);
  await worker.evaluate(() => {
    // A module whose only function is the instruction `unreachable`: a real trap.
    const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 116, 0, 0, 10, 5, 1, 3, 0, 0, 11];
    const { t: trap } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports;
    self.__trapAt = null;
    self.__trapped = 0;
    const fragile = (instance) => {
      const exports = { ...instance.exports };
      if (!exports.text_open) return instance;
      for (const name of Object.keys(exports).filter((one) => one.startsWith("text_"))) {
        exports[name] = (...given) => {
          if (self.__trapAt === name) {
            self.__trapAt = null;
            self.__trapped += 1;
            trap();
          }
          return instance.exports[name](...given);
        };
      }
      return { exports };
    };
    // A fresh instance after a trap is made by the constructor.
    const { Instance } = WebAssembly;
    WebAssembly.Instance = function fresh(...given) {
      return fragile(new Instance(...given));
    };
    for (const name of ["instantiate", "instantiateStreaming"]) {
      const original = WebAssembly[name];
      WebAssembly[name] = async (...given) => {
        const made = await original.apply(WebAssembly, given);
        return made.instance ? { ...made, instance: fragile(made.instance) } : fragile(made);
      };
    }
  });
  return {
    /** The next call of this export traps. */
    trapAt: (name) => worker.evaluate((at) => { self.__trapAt = at; }, name),
    trapped: () => worker.evaluate(() => self.__trapped),
  };
}

/** Moves the clock of the page's worker: what is due by then happens as soon as it wakes. */
export async function shiftClock(page, milliseconds) {
  const worker = await nodeWorker(page);
  await worker.evaluate((by) => {
    const real = Date.now.bind(Date);
    Date.now = () => real() + by;
  }, milliseconds);
}

/** The record that holds a profile's wrapped key, taken away; gives it back when the handle is called. From a page that runs no app. */
export async function takeKey(page) {
  await page.evaluate(async () => {
    const done = (asked) => new Promise((good, bad) => { asked.onsuccess = () => good(asked.result); asked.onerror = () => bad(asked.error); });
    window.__keys = async (mode, work) => {
      const database = await done(indexedDB.open("dxos-keys"));
      const result = await done(work(database.transaction("profiles", mode).objectStore("profiles")));
      database.close();
      return result;
    };
    window.__record = await window.__keys("readonly", (store) => store.get("default"));
    await window.__keys("readwrite", (store) => store.delete("default"));
  });
  return () => page.evaluate(() => window.__keys("readwrite", (store) => store.put(window.__record)).then(() => {}));
}

const PHONE = { width: 390, height: 844 };

/** A screen in both themes and on a phone: pictures to look at, no accessibility fault, nothing that sticks out. */
export async function faces(page, name) {
  const faults = [];
  const before = page.viewportSize();
  const views = [
    // Both themes and both layouts are checked; the other two combinations have the same parts.
    { suffix: "light", colorScheme: "light", size: before, checked: true },
    { suffix: "dark", colorScheme: "dark", size: before, checked: false },
    { suffix: "phone-dark", colorScheme: "dark", size: PHONE, checked: true },
    { suffix: "phone", colorScheme: "light", size: PHONE, checked: false },
  ];
  for (const { suffix, colorScheme, size, checked } of views) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    await picture(page, `${name}-${suffix}`);
    if (checked) faults.push(...(await axe(page)).map((fault) => `${suffix}: ${fault}`));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) faults.push(`${suffix}: ${wide} px wider than the screen`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(before);
  return faults;
}

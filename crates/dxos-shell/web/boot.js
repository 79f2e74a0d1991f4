// Checks what the apps need from the browser, says clearly what is missing, then starts the app of this page: the module
// that its `<link id="app-module">` names. Kept free of any app's own code: it must work where the app cannot.

const app = document.querySelector("meta[name=application-name]").content;
const dev = document.documentElement.hasAttribute("data-dev");

/** Elements from data only: nothing here is ever parsed as HTML. */
function element(tag, content, attributes = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...[content].flat());
  return made;
}
const code = (text) => element("code", text);

/** Replaces whatever is shown by one page of words. `kind` names it for tests and support. */
function explain(kind, title, ...content) {
  const page = element("main", [element("h1", title), ...content], { class: "boot-page", id: "boot", "data-problem": kind, tabindex: "-1" });
  document.getElementById("boot")?.remove();
  document.body.append(page);
  page.focus();
}

function explainInsecure() {
  const { hostname, port } = location;
  const number = port || "80";
  explain("insecure-origin", `This address cannot run ${app}`,
    element("p", [
      `${app} keeps your work and your keys in this browser. Browsers allow that only on pages reached by `, code("https"),
      " or on the very machine that serves them. This page came by plain ", code("http"), " from ", code(hostname), ", so it stops here. Nothing is broken and nothing is lost.",
    ]),
    element("h2", "What you can do"),
    element("ol", [
      element("li", ["On the machine that runs ", code("dx"), ": open ", code(`http://localhost:${number}`), "."]),
      element("li", ["From this machine, through a tunnel: run ", code(`ssh -N -L ${number}:localhost:${number} ${hostname}`), ", then open ",
        element("a", `http://localhost:${number}`, { href: `http://localhost:${number}/${location.hash}` }), " here."]),
      element("li", ["For everybody: put ", code("https"), " in front of ", code("dx"), ", for example ", code(`caddy reverse-proxy --to localhost:${number}`), "."]),
    ]));
}

function explainStorage(detail) {
  explain("no-storage", `This browser gives ${app} no place to keep your work`,
    element("p", `${app} stores everything on this device, in the browser's private file system (OPFS). It is missing or denied here, so what you write could not be kept.`),
    element("h2", "What you can do"),
    element("ul", [
      element("li", "Leave private browsing: many browsers switch storage off there."),
      element("li", "Allow site data and cookies for this address in the browser's settings, then reload."),
      element("li", "Update the browser: Chrome or Edge 108, Firefox 111, Safari 17, or later."),
    ]),
    element("details", [element("summary", "Details"), element("p", code(detail))]),
    reloadButton());
}

function explainBrowser(missing) {
  explain("old-browser", `This browser is too old for ${app}`,
    element("p", ["It lacks: ", code(missing.join(", ")), ". Chrome or Edge 119, Firefox 120, Safari 17.4, or later have it."]));
}

function explainFailure(error) {
  const offline = navigator.onLine === false;
  explain("start-failed", `${app} did not start`,
    element("p", offline
      ? "This device is offline and the app is not stored on it yet. Open it once while the server can be reached; after that it works without."
      : "A part of the app did not load. Your data is untouched."),
    element("details", [element("summary", "Details"), element("p", code(String(error?.stack || error)))]),
    reloadButton());
}

function reloadButton() {
  const button = element("button", "Try again", { type: "button" });
  button.addEventListener("click", () => location.reload());
  return button;
}

/** Removes the boot screen once the app has drawn something. */
function watchForApp() {
  const boot = document.getElementById("boot");
  const known = new Set(document.body.children);
  const drawn = () => document.getElementById("app")?.childElementCount > 0
    || [...document.body.children].some((child) => !known.has(child) && child.tagName !== "SCRIPT" && !child.dataset.problem);
  const observer = new MutationObserver(() => {
    if (!drawn()) return;
    observer.disconnect();
    boot.remove();
  });
  observer.observe(document.body, { childList: true, subtree: true });
}

/** The service worker: the whole app offline, and new versions taken only when asked. */
async function keepOffline() {
  if (!("serviceWorker" in navigator)) return;
  const workers = navigator.serviceWorker;
  let controlled = Boolean(workers.controller);
  let reloading = false;
  workers.addEventListener("controllerchange", () => {
    document.documentElement.dataset.offline = "ready";
    // The first worker takes over silently; a later one means that a person chose the update, here or in another tab.
    const isFirst = !controlled;
    controlled = true;
    if (isFirst || reloading) return;
    reloading = true;
    location.reload();
  });
  if (controlled) document.documentElement.dataset.offline = "ready";
  const registration = await workers.register("/sw.js", { updateViaCache: "none" });
  const announce = () => {
    if (registration.waiting && workers.controller) window.dispatchEvent(new Event("dxos:update-ready"));
  };
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", announce);
  });
  announce();
  window.addEventListener("dxos:update-now", () => registration.waiting?.postMessage("take-over"));
  window.addEventListener("dxos:update-asked", announce);
  // A page that stays open for days asks now and then, and when it is looked at again.
  const ask = () => registration.update().catch(() => {});
  setInterval(ask, 60 * 60 * 1000);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && ask());
}

async function start() {
  if (!window.isSecureContext) return explainInsecure();
  const needed = {
    WebAssembly: typeof WebAssembly === "object",
    "Web Locks": Boolean(navigator.locks),
    "Web Crypto": Boolean(globalThis.crypto?.subtle),
    Workers: typeof Worker === "function",
  };
  const missing = Object.keys(needed).filter((name) => !needed[name]);
  if (missing.length > 0) return explainBrowser(missing);
  if (typeof navigator.storage?.getDirectory !== "function") return explainStorage("navigator.storage.getDirectory is missing");
  try {
    await navigator.storage.getDirectory();
  } catch (error) {
    return explainStorage(String(error));
  }
  watchForApp();
  try {
    const { default: init } = await import(document.getElementById("app-module").href);
    await init();
  } catch (error) {
    console.error(error);
    return explainFailure(error);
  }
  if (dev) {
    for (const registration of await navigator.serviceWorker?.getRegistrations() ?? []) await registration.unregister();
    const { reloadOnChange } = await import("/dev-reload.js");
    reloadOnChange();
  } else {
    keepOffline().catch((error) => console.warn("offline copy:", error));
  }
}

start();

// Keeps the apps that were opened on the device, whole, so that they start without a network, and never mixes two versions.
//
// The build puts the list of all files with their hashes where the mark stands; a change of any file thus
// changes this script, and browsers install the new one beside the old. It waits until no page uses the old
// version, or until a person takes the update ("take-over").

const MANIFEST = /*MANIFEST*/ null;
const CACHE = `dxos-${MANIFEST.version}`;
/** Other versions' caches; the second name is that of builds with one app. */
const isOlder = (name) => name !== CACHE && (name.startsWith("dxos-") || name.startsWith("composer-"));
const HASH = "x-dxos-hash";
const FETCHES_AT_ONCE = 6;

const url = (name) => new URL(`/${name}`, location.origin).href;

/** The file from the cache of an older version, if its content is the same. */
async function fromOlder(name, hash, older) {
  for (const cache of older) {
    const kept = await cache.match(url(name));
    if (kept?.headers.get(HASH) === hash) return kept;
  }
  return null;
}

/** The file from the server; refuses what is not of this version. */
async function fromServer(name, hash) {
  const answer = await fetch(url(name), { cache: "no-cache", credentials: "same-origin" });
  if (!answer.ok || answer.redirected) throw new Error(`${name}: ${answer.status}`);
  const etag = answer.headers.get("etag");
  if (etag && !etag.includes(hash)) throw new Error(`${name} is of another version`);
  const headers = new Headers(answer.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  headers.set(HASH, hash);
  return new Response(await answer.arrayBuffer(), { status: 200, headers });
}

/** The app at an address; the one at the root has the empty name. */
function appAt(pathname) {
  const first = pathname.split("/")[1];
  return Object.hasOwn(MANIFEST.apps, first) ? first : "";
}
const pageOf = (app) => (app === "" ? "index.html" : `${app}/index.html`);

async function olderCaches() {
  const names = (await caches.keys()).filter(isOlder);
  return Promise.all(names.map((name) => caches.open(name)));
}

/** Apps that are open now or were kept by an older version. */
async function appsInUse() {
  const apps = new Set();
  for (const page of await self.clients.matchAll({ includeUncontrolled: true, type: "window" })) apps.add(appAt(new URL(page.url).pathname));
  for (const cache of await olderCaches()) {
    for (const app of Object.keys(MANIFEST.apps)) if (await cache.match(url(pageOf(app)))) apps.add(app);
  }
  return apps;
}

/** Keeps all files of these apps; a page last, so that an app whose page is here is here whole. */
async function fill(apps) {
  const older = await olderCaches();
  const cache = await caches.open(CACHE);
  const groups = new Set([...apps].flatMap((app) => MANIFEST.apps[app]));
  const wanted = Object.entries(MANIFEST.files).filter(([, { group }]) => groups.has(group));
  const pages = new Set([...apps].map(pageOf));
  await keep(wanted.filter(([name]) => !pages.has(name)), cache, older);
  await keep(wanted.filter(([name]) => pages.has(name)), cache, older);
}

async function keep(rest, cache, older) {
  const worker = async () => {
    for (let next = rest.pop(); next; next = rest.pop()) {
      const [name, { hash }] = next;
      const kept = await cache.match(url(name));
      if (kept?.headers.get(HASH) === hash) continue;
      await cache.put(url(name), (await fromOlder(name, hash, older)) ?? (await fromServer(name, hash)));
    }
  };
  await Promise.all(Array.from({ length: FETCHES_AT_ONCE }, worker));
}

async function clean() {
  for (const name of await caches.keys()) {
    if (isOlder(name)) await caches.delete(name);
  }
}

self.addEventListener("install", (event) => event.waitUntil(appsInUse().then(fill)));
self.addEventListener("activate", (event) => event.waitUntil(clean().then(() => self.clients.claim())));
self.addEventListener("message", (event) => {
  if (event.data === "take-over") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const asked = new URL(request.url);
  if (request.method !== "GET" || asked.origin !== location.origin) return;
  const name = asked.pathname.slice(1);
  const isPage = request.mode === "navigate" && !["signal", "stats"].includes(name);
  // What is asked for with a query wants the server itself.
  if (!isPage && (asked.search !== "" || !Object.hasOwn(MANIFEST.files, name))) return;
  event.respondWith(isPage ? page(appAt(asked.pathname), event) : answer(name, request));
});

async function answer(name, request) {
  const cache = await caches.open(CACHE);
  // Gone only if the person cleared site data while a page was open, or of an app that is being opened the first time.
  return (await cache.match(url(name))) ?? ofThisVersion(name, await fetch(request)) ?? Response.error();
}

/** What the server gave, unless it is of another version. */
function ofThisVersion(name, answered) {
  const etag = answered.headers.get("etag");
  return etag && !etag.includes(MANIFEST.files[name].hash) ? null : answered;
}

/** The page of an app. One that is opened here the first time comes from the server, and is kept whole behind it. */
async function page(app, event) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(url(pageOf(app)));
  if (kept) return kept;
  const answered = await fetch(event.request);
  if (ofThisVersion(pageOf(app), answered)) {
    // What does not come now comes with the next visit.
    event.waitUntil(fill([app]).catch(() => {}));
    return answered;
  }
  // The server has another version by now, and this one still runs: the person takes it first.
  return (await cache.match(url("update.html"))) ?? answered;
}

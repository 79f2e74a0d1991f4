// Keeps the whole app on the device, so that it starts without a network, and never mixes two versions.
//
// The build puts the list of all files with their hashes where the mark stands; a change of any file thus
// changes this script, and browsers install the new one beside the old. It waits until no page uses the old
// version, or until a person takes the update ("take-over").

const MANIFEST = /*MANIFEST*/ null;
const CACHE = `composer-${MANIFEST.version}`;
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

async function fill() {
  const names = (await caches.keys()).filter((name) => name.startsWith("composer-") && name !== CACHE);
  const older = await Promise.all(names.map((name) => caches.open(name)));
  const cache = await caches.open(CACHE);
  const rest = Object.entries(MANIFEST.files);
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
    if (name.startsWith("composer-") && name !== CACHE) await caches.delete(name);
  }
}

self.addEventListener("install", (event) => event.waitUntil(fill()));
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
  event.respondWith(answer(isPage ? "index.html" : name, request));
});

async function answer(name, request) {
  const cache = await caches.open(CACHE);
  // Gone only if the person cleared site data while a page was open.
  return (await cache.match(url(name))) ?? fetch(request);
}

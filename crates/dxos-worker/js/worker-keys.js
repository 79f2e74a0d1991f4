// The profile's key and instance marker, outside the database.
//
// The key (32 random bytes) is wrapped by an AES-GCM key that cannot be extracted; both stand in IndexedDB, so a
// copy of the database's files opens nowhere else. The marker tells a restored database from this one.

const STORE = "profiles";

function request(asked) {
  return new Promise((done, failed) => {
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(asked.error);
  });
}

async function open() {
  const asked = indexedDB.open("dxos-keys", 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "profile" });
  return request(asked);
}

async function read(database, profile) {
  const transaction = database.transaction(STORE, "readonly");
  return request(transaction.objectStore(STORE).get(profile));
}

/** Done when it is on disk. */
function write(database, record) {
  return new Promise((done, failed) => {
    const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
    transaction.objectStore(STORE).put(record);
    transaction.oncomplete = () => done();
    transaction.onerror = () => failed(transaction.error);
    transaction.onabort = () => failed(transaction.error);
  });
}

async function make(profile) {
  const key = crypto.getRandomValues(new Uint8Array(32));
  const marker = crypto.getRandomValues(new Uint8Array(16));
  const wrapping = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const context = new TextEncoder().encode(`dxos/1 profile key ${profile}`);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: context }, wrapping, key);
  return { record: { profile, version: 1, wrapping, iv, sealed, marker }, key, marker };
}

/** The key and the marker of a profile, made at its first start. Called under the profile's lock. */
export async function openKeys(profile) {
  const database = await open();
  try {
    const record = await read(database, profile);
    if (!record) {
      const made = await make(profile);
      await write(database, made.record);
      return { key: made.key, marker: made.marker };
    }
    const context = new TextEncoder().encode(`dxos/1 profile key ${profile}`);
    const algorithm = { name: "AES-GCM", iv: record.iv, additionalData: context };
    const key = await crypto.subtle.decrypt(algorithm, record.wrapping, record.sealed).catch(() => {
      throw { kind: "KeyLost", message: "the profile's key does not open" };
    });
    return { key: new Uint8Array(key), marker: record.marker };
  } finally {
    database.close();
  }
}

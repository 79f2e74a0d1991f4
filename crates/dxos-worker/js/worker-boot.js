// Entry of the dedicated worker that runs the node.
//
// Every tab starts one. The profile's Web Lock, taken in here so that it ends with the worker, makes exactly one
// live: it opens the store and serves a MessagePort to every tab; the others wait, ready to take over.
//
// From the window: {type: "start", config: {profile, signalUrl, tab, life}, broker?: MessagePort}, {type: "connect", tab, port}, {type: "link", port}.
// To the window: {type: "alive" | "waiting" | "starting" | "live"}, {type: "failed" | "crashed", kind, message}.
// Through the broker: {type: "lead", tab} out, {type: "connect", tab, port} in.

import { openKeys } from "./worker-keys.js";
import { loadText, prepareText, textModule, textReady } from "./worker-text.js";

const OPEN_TRIES = 60;
const OPEN_PAUSE_MS = 75;
/** Timers stand still while a device sleeps: the clock is looked at this often at least. */
const LOOK_MS = 5_000;
/** Up to this a frame is copied to a tab: handing its buffer over costs a browser more than that. */
const COPIED_BYTES_MAX = 1024;

let config = null;
let broker = null;
let host = null;
let linkPort = null;
let timer = 0;
let channelLast = 0;
/** Channel number → {port, tab, queue}; `queue` holds frames while the text module loads. */
const channels = new Map();
/** Connections asked for before the node was open. */
const early = [];

const tell = (message) => self.postMessage(message);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * The worker's own module: fetched and compiled from the first moment on, before there is anything to do, and while
 * waiting, so that a takeover only has to instantiate.
 */
let compiled = null;
function compile() {
  compiled ??= Promise.all([
    import("./worker.js"),
    WebAssembly.compileStreaming(fetch(new URL("./worker_bg.wasm", import.meta.url))),
  ]).catch((error) => {
    compiled = null;
    throw error;
  });
  return compiled;
}
// Why it failed is told by the next try.
compile().catch(() => {});

function missing() {
  if (!self.isSecureContext) return { kind: "InsecureContext", message: "the page is not in a secure context" };
  if (!navigator.locks) return { kind: "NoWorker", message: "this browser has no Web Locks" };
  const sync = self.FileSystemFileHandle?.prototype?.createSyncAccessHandle;
  if (!navigator.storage?.getDirectory || !sync) {
    return { kind: "NoOpfs", message: "this browser has no origin private file system" };
  }
  return null;
}

/**
 * Holds the lock `config.life` as long as this worker lives: the window waits for it, and so hears of the end even of
 * a worker that the browser killed.
 */
function live() {
  return new Promise((held, failed) => {
    navigator.locks.request(config.life, () => {
      held();
      return new Promise(() => {});
    }).catch(failed);
  });
}

async function start() {
  const lacks = missing();
  if (lacks) return tell({ type: "failed", ...lacks });
  await live();
  tell({ type: "alive" });
  const lock = `dxos/${config.profile}`;
  const lead = () => run().catch((error) => tell({ type: "failed", ...described(error) }));
  const held = await navigator.locks.request(lock, { ifAvailable: true }, async (taken) => {
    if (taken) await lead();
    return Boolean(taken);
  });
  // Once it led, it never comes back here but after a failure.
  if (held) return;
  tell({ type: "waiting" });
  await navigator.locks.request(lock, lead);
}

/** Opens the node and never ends while it lives: the lock is held meanwhile. */
async function run() {
  tell({ type: "starting" });
  const [glue, keys] = await Promise.all([instantiate(), openKeys(config.profile)]);
  host = await openHost(glue, keys);
  keys.key.fill(0);
  broker?.postMessage({ type: "lead", tab: config.tab });
  tell({ type: "live" });
  prepareText().catch(() => {});
  for (const [tab, port] of early.splice(0)) connect(tab, port);
  await new Promise(() => {});
}

async function instantiate() {
  const [glue, module] = await compile();
  await glue.default({ module_or_path: module });
  return glue;
}

async function openHost(glue, keys) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await glue.WorkerHost.open(outside, config.profile, keys.key, keys.marker, config.signalUrl);
    } catch (error) {
      // The files of a worker that was just killed are let go a moment after its lock.
      if (error?.kind !== "StorageBusy" || tries >= OPEN_TRIES) throw error;
      await pause(OPEN_PAUSE_MS);
    }
  }
}

function described(error) {
  if (error?.kind) return { kind: error.kind, message: error.message };
  const name = error?.name ?? "";
  const message = String(error?.message ?? error);
  if (name === "QuotaExceededError") return { kind: "StorageFull", message };
  if (name === "SecurityError" || name === "NotAllowedError") return { kind: "StorageDenied", message };
  return { kind: "Other", message };
}

/** What the node asks of the outside. */
const outside = {
  toChannel(number, frame) {
    const handed = frame.byteLength > COPIED_BYTES_MAX ? [frame.buffer] : [];
    channels.get(number)?.port.postMessage(frame, handed);
  },
  closeChannel(number) {
    const channel = channels.get(number);
    channels.delete(number);
    channel?.port.close();
  },
  link(command) {
    linkPort?.postMessage(command, [command.buffer]);
  },
  wakeAt(at) {
    clearTimeout(timer);
    if (at < 0) return;
    const left = at - Date.now();
    const due = () => (Date.now() >= at ? guarded(() => host.wake()) : outside.wakeAt(at));
    timer = setTimeout(due, Math.min(Math.max(0, left), LOOK_MS));
  },
  textModule,
};

/**
 * Runs a call of the node. A trap there ends this worker: its lock goes to the next one, which opens the store
 * as after a kill, and tabs resend what was not acknowledged.
 */
function guarded(call) {
  if (!host) return;
  try {
    call();
  } catch (error) {
    host = null;
    tell({ type: "crashed", kind: "Other", message: String(error?.message ?? error) });
    self.close();
  }
}

function connect(tab, port) {
  if (!host) {
    early.push([tab, port]);
    return;
  }
  // A tab has one channel: an older one of it is dead.
  for (const [number, channel] of channels) {
    if (channel.tab === tab) disconnect(number);
  }
  channelLast += 1;
  const number = channelLast;
  const channel = { port, tab, queue: null };
  channels.set(number, channel);
  guarded(() => host.channel_opened(number));
  port.onmessage = ({ data }) => {
    if (data instanceof Uint8Array) receive(number, channel, data);
  };
  // Every tab holds a lock of its own name; getting it means the tab is gone, however it went.
  navigator.locks.request(tab, () => disconnect(number)).catch(() => {});
}

function disconnect(number) {
  if (!channels.delete(number)) return;
  guarded(() => host.channel_closed(number));
}

function receive(number, channel, frame) {
  if (channel.queue) {
    channel.queue.push(frame);
    return;
  }
  if (host && !textReady() && host.wants_text(frame)) {
    channel.queue = [frame];
    // If it cannot be loaded the node says so to whoever opens a text, and the next try loads again.
    loadText().catch(() => {}).then(() => {
      const queue = channel.queue;
      channel.queue = null;
      for (const waiting of queue) deliver(number, waiting);
    });
    return;
  }
  deliver(number, frame);
}

function deliver(number, frame) {
  if (channels.has(number)) guarded(() => host.channel_frame(number, frame));
}

function link(port) {
  linkPort = port;
  port.onmessage = ({ data }) => guarded(() => host.link_event(data));
  guarded(() => host.direct_available(true));
}

self.onmessage = ({ data }) => {
  switch (data.type) {
    case "start":
      config = data.config;
      broker = data.broker ?? null;
      if (broker) {
        broker.onmessage = ({ data: asked }) => {
          if (asked.type === "connect") connect(asked.tab, asked.port);
        };
      }
      start().catch((error) => tell({ type: "failed", ...described(error) }));
      break;
    case "connect":
      connect(data.tab, data.port);
      break;
    case "link":
      link(data.port);
      break;
    default:
  }
};

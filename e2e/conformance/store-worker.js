// Runs the storage suite where the product runs it: in a dedicated worker, on OPFS.
import init, { opfs_conformance } from "./store.js";
try {
  await init();
  postMessage({ done: await opfs_conformance() });
} catch (error) {
  postMessage({ failed: String(error?.stack ?? error) });
}

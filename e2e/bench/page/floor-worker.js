// Bare SQLite where the product has its own: in a dedicated worker, on OPFS.
//
// From the page: {read: [profile, batch]}, {write: true}. Answers: {ready}, {written}, {failed}.
import init, { Floor } from "./floor.js";

let floor = null;

async function answer({ read }) {
  if (read) {
    await init();
    floor = await Floor.read(...read);
    return { ready: true };
  }
  return { written: floor.write() };
}

self.onmessage = ({ data }) => answer(data).then(postMessage, (error) => postMessage({ failed: String(error?.stack ?? error) }));

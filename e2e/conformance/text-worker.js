// Runs the text suite where the product runs it: in a dedicated worker, through the worker's own glue, on the module
// that ships.
import init, { text_conformance } from "./text_suite.js";
import { prepareText, textModule } from "./worker-text.js";
try {
  await init();
  await prepareText();
  postMessage({ done: text_conformance({ textModule }) });
} catch (error) {
  postMessage({ failed: String(error?.stack ?? error) });
}

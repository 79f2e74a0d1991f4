// Loads the text engine, a WASM module of its own: ahead when a tab opens a text, or within a call of the node
// when an update of a text arrives first. After a trap the module's own `text_reset` gives a fresh instance.

const GLUE = new URL("./text.js", import.meta.url).href;
const WASM = new URL("./text_bg.wasm", import.meta.url).href;

let exports = null;
let loading = null;
let glue = null;

export const textReady = () => exports !== null;

/** Loads it; again after a failure. */
export function loadText() {
  loading ??= (async () => {
    glue ??= await import(GLUE);
    if (exports) return;
    await glue.default({ module_or_path: WASM });
    exports = glue;
  })().finally(() => {
    loading = null;
  });
  return loading;
}

/** The small script of the module, so that `textModule` can load the rest within a call. */
export async function prepareText() {
  glue ??= await import(GLUE);
}

/** The module's exports, loaded at once if need be: a worker may wait for a request. Throws why not. */
export function textModule() {
  if (exports) return exports;
  if (!glue) {
    loadText().catch(() => {});
    throw new Error("the text engine is being loaded");
  }
  const request = new XMLHttpRequest();
  request.open("GET", WASM, false);
  request.responseType = "arraybuffer";
  request.send();
  if (request.status !== 200) throw new Error(`the text engine could not be loaded (${request.status})`);
  glue.initSync({ module: new WebAssembly.Module(request.response) });
  exports = glue;
  return exports;
}

// What Rust imports of the editor.
export { Editor } from "./editor.js";

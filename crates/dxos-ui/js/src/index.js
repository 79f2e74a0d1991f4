// What Rust imports: the editor; loading this module also puts the icon sprite into the page.
import sprite from "virtual:icons";

export { Editor } from "./editor.js";

if (typeof document !== "undefined") {
  const holder = document.createElement("div");
  holder.hidden = true;
  holder.innerHTML = sprite;
  document.head.append(holder);
}

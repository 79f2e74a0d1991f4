// The icon sprite, put into the page once.
import sprite from "virtual:icons";

export function provideIcons() {
  const holder = document.createElement("div");
  holder.hidden = true;
  holder.innerHTML = sprite;
  document.head.append(holder);
}

// Carets and selections of others, each with a name flag in the person's colour.
import { RangeSet, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, WidgetType } from "@codemirror/view";

export const setPeers = StateEffect.define();

class Caret extends WidgetType {
  constructor(peer) { super(); this.peer = peer; }
  eq(other) { return other.peer.id === this.peer.id && other.peer.name === this.peer.name && other.peer.hue === this.peer.hue; }
  toDOM() {
    const caret = document.createElement("span");
    caret.className = "peer-caret";
    caret.style.setProperty("--h", String(this.peer.hue));
    caret.dataset.name = this.peer.name;
    caret.setAttribute("aria-hidden", "true");
    return caret;
  }
}

function decorate(peers, length) {
  const at = (position) => Math.min(position, length);
  return RangeSet.of(peers.flatMap((peer) => {
    const [anchor, head] = [at(peer.anchor), at(peer.head)];
    const caret = Decoration.widget({ widget: new Caret(peer), side: 1 }).range(head);
    if (anchor === head) return [caret];
    const range = Decoration.mark({ class: "peer-range", attributes: { style: `--h:${peer.hue}` } });
    return [range.range(Math.min(anchor, head), Math.max(anchor, head)), caret];
  }), true);
}

export const peers = StateField.define({
  create: () => Decoration.none,
  update(value, transaction) {
    value = value.map(transaction.changes);
    for (const effect of transaction.effects) if (effect.is(setPeers)) value = decorate(effect.value, transaction.newDoc.length);
    return value;
  },
  provide: (field) => EditorView.decorations.from(field),
});

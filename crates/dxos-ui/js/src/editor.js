// The one door between Rust and CodeMirror. Positions are UTF-16 units; changes are flat lists
// [from, units deleted, inserted text, …], sorted, all in the text before the step.
import { Annotation, Compartment, EditorState, Transaction } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { markdown } from "./markdown.js";
import { listKeys } from "./lists.js";
import { preview } from "./preview.js";
import { peers, setPeers } from "./peers.js";

const Remote = Annotation.define();

/** Words of a text: runs of letters and digits; scripts without spaces count by character. */
function countWords(doc) {
  let count = 0;
  for (const line of doc.iterLines()) count += (line.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{N}][\p{L}\p{N}'’_-]*/gu) ?? []).length;
  return count;
}

export class Editor {
  constructor(parent, doc, label, onChange, onSelect, onWords) {
    this.lock = new Compartment();
    this.onWords = onWords;
    const listener = EditorView.updateListener.of((update) => {
      for (const transaction of update.transactions) {
        if (!transaction.docChanged || transaction.annotation(Remote)) continue;
        const changes = [];
        transaction.changes.iterChanges((from, to, _a, _b, insert) => changes.push(from, to - from, insert.toString()));
        onChange(changes);
      }
      if (update.docChanged) this.countSoon();
      if (update.selectionSet || update.docChanged || update.focusChanged) {
        const { anchor, head } = update.state.selection.main;
        onSelect(anchor, head, update.view.hasFocus);
      }
    });
    const extensions = [
      // One separator: what comes in keeps its length, so positions agree with everyone else's.
      EditorState.lineSeparator.of("\n"),
      EditorView.clipboardInputFilter.of((text) => text.replace(/\r\n?/g, "\n")),
      history(),
      keymap.of([...listKeys, ...defaultKeymap, ...historyKeymap]),
      markdown(),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "true", autocapitalize: "sentences" }),
      placeholder("Write, or paste Markdown…"),
      this.lock.of([]),
      peers,
      preview,
      listener,
    ];
    this.view = new EditorView({ parent, state: EditorState.create({ doc, extensions }) });
    onWords(countWords(this.view.state.doc));
  }

  /** Counting waits for a pause: it reads the whole text. */
  countSoon() {
    clearTimeout(this.counting);
    this.counting = setTimeout(() => this.onWords(countWords(this.view.state.doc)), 400);
  }

  /** Applies what others did; not told back, not undone by one's own undo. */
  applyRemote(changes) {
    const list = [];
    for (let i = 0; i < changes.length; i += 3) list.push({ from: changes[i], to: changes[i] + changes[i + 1], insert: changes[i + 2] });
    this.view.dispatch({ changes: list, annotations: [Remote.of(true), Transaction.remote.of(true), Transaction.addToHistory.of(false)] });
  }

  /** Shows another text, as if others had replaced it. */
  setText(text) {
    this.applyRemote([0, this.view.state.doc.length, text]);
  }

  /** Carets of others, flat: [id, name, hue, anchor, head, …]. */
  setPeers(flat) {
    const list = [];
    for (let i = 0; i < flat.length; i += 5) list.push({ id: flat[i], name: flat[i + 1], hue: flat[i + 2], anchor: flat[i + 3], head: flat[i + 4] });
    this.view.dispatch({ effects: setPeers.of(list) });
  }

  setReadOnly(on) {
    this.view.dispatch({ effects: this.lock.reconfigure(on ? [EditorState.readOnly.of(true), EditorView.editable.of(false)] : []) });
  }

  focus() { this.view.focus(); }
  text() { return this.view.state.doc.toString(); }
  destroy() { clearTimeout(this.counting); this.view.destroy(); }
}

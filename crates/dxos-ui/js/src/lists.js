// Keys that keep lists and quotes going: Enter continues or ends an item, Tab indents it.
import { indentLess, indentMore } from "@codemirror/commands";
import { EditorSelection } from "@codemirror/state";

const ITEM = /^(\s*(?:>\s?)*)(?:([-*+])|(\d{1,9})([.)]))(\s+)(\[[ xX]\]\s+)?/;
const QUOTE = /^(\s*(?:>\s?)+)/;

/** What the line after `line` begins with; `null`: nothing; `""`: the item is empty and ends. */
export function continuation(line) {
  const item = ITEM.exec(line);
  if (item) {
    if (line.length === item[0].length) return "";
    const [, before, bullet, number, point, gap, task] = item;
    const mark = bullet ?? String(Number(number) + 1) + point;
    return before + mark + gap + (task ? "[ ] " : "");
  }
  const quote = QUOTE.exec(line);
  if (!quote) return null;
  return line.trim() === quote[1].trim() ? "" : quote[1];
}

function enter({ state, dispatch }) {
  const range = state.selection.main;
  if (state.selection.ranges.length > 1 || !range.empty) return false;
  const line = state.doc.lineAt(range.head);
  const begin = continuation(line.text);
  if (begin === null) return false;
  // Before the mark, Enter only makes room above.
  const mark = ITEM.exec(line.text) ?? QUOTE.exec(line.text);
  if (begin !== "" && range.head < line.from + mark[0].length) return false;
  const change = begin === ""
    ? { from: line.from, to: line.to, insert: "" }
    : { from: range.head, insert: state.lineBreak + begin };
  const head = begin === "" ? line.from : range.head + state.lineBreak.length + begin.length;
  dispatch(state.update({ changes: change, selection: EditorSelection.cursor(head), scrollIntoView: true, userEvent: "input" }));
  return true;
}

const inItem = (state) => state.selection.ranges.every((range) => ITEM.test(state.doc.lineAt(range.from).text));
const guarded = (command) => (view) => inItem(view.state) && command(view);

function toggleMark(mark) {
  return ({ state, dispatch }) => {
    const changes = state.changeByRange((range) => {
      const { from, to } = range;
      const length = mark.length;
      const outside = state.sliceDoc(from - length, from) === mark && state.sliceDoc(to, to + length) === mark;
      if (outside) {
        return {
          changes: [{ from: from - length, to: from }, { from: to, to: to + length }],
          range: EditorSelection.range(from - length, to - length),
        };
      }
      return {
        changes: [{ from, insert: mark }, { from: to, insert: mark }],
        range: EditorSelection.range(from + length, to + length),
      };
    });
    dispatch(state.update(changes, { userEvent: "input", scrollIntoView: true }));
    return true;
  };
}

// Tab outside a list stays the browser's: the keyboard must always get out of the editor.
export const listKeys = [
  { key: "Enter", run: enter },
  { key: "Tab", run: guarded(indentMore), shift: guarded(indentLess) },
  { key: "Mod-b", run: toggleMark("**") },
  { key: "Mod-i", run: toggleMark("*") },
  { key: "Mod-e", run: toggleMark("`") },
];

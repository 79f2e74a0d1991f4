// Live preview: Markdown shows as what it means; the marks of what the cursor touches show as they are typed.
import { RangeSet } from "@codemirror/state";
import { Decoration, EditorView, ViewPlugin, WidgetType } from "@codemirror/view";
import { syntaxTree } from "@codemirror/language";

const hide = Decoration.replace({});
const lineClass = (name) => Decoration.line({ class: name });
const markClass = (name) => Decoration.mark({ class: name });
const INLINE = { StrongEmphasis: "md-strong", Emphasis: "md-em", Strikethrough: "md-strike", InlineCode: "md-chip" };
const MARKS = new Set(["EmphasisMark", "StrikethroughMark", "CodeMark", "LinkMark"]);

class Bullet extends WidgetType {
  eq() { return true; }
  toDOM() {
    const dot = document.createElement("span");
    dot.className = "md-bullet";
    dot.textContent = "•";
    return dot;
  }
}

class Box extends WidgetType {
  constructor(checked) { super(); this.checked = checked; }
  eq(other) { return other.checked === this.checked; }
  ignoreEvent() { return false; }
  toDOM() {
    const box = document.createElement("span");
    box.className = "md-box";
    box.setAttribute("role", "checkbox");
    box.setAttribute("aria-checked", String(this.checked));
    box.setAttribute("aria-label", this.checked ? "Done" : "To do");
    return box;
  }
}

/** Flips the task at a marker's position; false if there is none. */
export function toggleTask(view, at) {
  const text = view.state.sliceDoc(at, at + 3);
  if (!/^\[[ xX]\]$/.test(text)) return false;
  const insert = text[1] === " " ? "x" : " ";
  view.dispatch({ changes: { from: at + 1, to: at + 2, insert }, userEvent: "input.task" });
  return true;
}

/** The address a link may open, or null: only what a browser opens safely. */
export function safeAddress(text) {
  const address = /^www\./i.test(text) ? "https://" + text : text;
  return /^(https?:\/\/|mailto:)/i.test(address) ? address : null;
}

function build(view) {
  const { state } = view;
  const lines = [];
  const marks = [];
  const atoms = [];
  const ranges = view.hasFocus ? state.selection.ranges : [];
  const touches = (from, to) => ranges.some((range) => range.from <= to && range.to >= from);
  const inside = (from, to) => ranges.some((range) => range.from < to && range.to > from);
  const touchesLines = (from, to) => touches(state.doc.lineAt(from).from, state.doc.lineAt(to).to);
  const everyLine = (from, to, decoration) => {
    for (let at = from; at <= to;) {
      const line = state.doc.lineAt(at);
      lines.push(decoration(line.from, line.from <= from, line.to >= to).range(line.from));
      at = line.to + 1;
    }
  };
  const withSpace = (to) => (state.sliceDoc(to, to + 1) === " " ? to + 1 : to);
  const hidden = (from, to) => { if (from < to) { marks.push(hide.range(from, to)); } };

  for (const { from, to } of view.visibleRanges) {
    syntaxTree(state).iterate({
      from, to,
      enter(node) {
        const heading = /^(?:ATX|Setext)Heading(\d)$/.exec(node.name);
        if (heading) everyLine(node.from, node.to, () => lineClass("md-h md-h" + heading[1]));
        else if (INLINE[node.name]) marks.push(markClass(INLINE[node.name]).range(node.from, node.to));
        else if (node.name === "HeaderMark") {
          if (!touchesLines(node.from, node.to)) {
            const setext = node.node.parent?.name.startsWith("Setext");
            if (!setext) hidden(node.from, withSpace(node.to));
          }
        } else if (MARKS.has(node.name)) {
          const parent = node.node.parent;
          if (parent?.name === "FencedCode") return;
          if (parent && parent.name !== "Image" && !touches(parent.from, parent.to)) hidden(node.from, node.to);
        } else if (node.name === "Link") {
          const url = node.node.getChild("URL");
          const address = url && safeAddress(state.sliceDoc(url.from, url.to));
          const spec = { class: "md-link", attributes: address ? { "data-href": address, title: address } : {} };
          marks.push(Decoration.mark(spec).range(node.from, node.to));
        } else if (node.name === "URL" || node.name === "LinkTitle") {
          const parent = node.node.parent;
          if (parent?.name === "Link") { if (!touches(parent.from, parent.to)) hidden(node.from, node.to); }
          else if (node.name === "URL" && parent?.name !== "Image") {
            const address = safeAddress(state.sliceDoc(node.from, node.to));
            if (address) marks.push(Decoration.mark({ class: "md-link", attributes: { "data-href": address } }).range(node.from, node.to));
          }
        } else if (node.name === "Blockquote") {
          everyLine(node.from, node.to, () => lineClass("md-quote"));
        } else if (node.name === "QuoteMark") {
          if (!touchesLines(node.from, node.to)) hidden(node.from, withSpace(node.to));
        } else if (node.name === "FencedCode") {
          everyLine(node.from, node.to, (_, first, last) => lineClass("md-block" + (first ? " md-first" : "") + (last ? " md-last" : "")));
        } else if (node.name === "CodeInfo") {
          marks.push(markClass("md-mark").range(node.from, node.to));
        } else if (node.name === "Table") {
          everyLine(node.from, node.to, () => lineClass("md-table"));
        } else if (node.name === "HorizontalRule") {
          if (!touchesLines(node.from, node.to)) { lines.push(lineClass("md-rule").range(state.doc.lineAt(node.from).from)); hidden(node.from, node.to); }
        } else if (node.name === "ListItem") {
          let depth = 0;
          for (let up = node.node.parent; up; up = up.parent) if (/^(Bullet|Ordered)List$/.test(up.name)) depth += 1;
          const line = state.doc.lineAt(node.from);
          const done = node.node.getChild("Task") && /\[[xX]\]/.test(state.sliceDoc(node.from, Math.min(node.from + 12, node.to)));
          lines.push(Decoration.line({ class: "md-item" + (done ? " md-done" : ""), attributes: { style: `--depth:${depth}` } }).range(line.from));
        } else if (node.name === "ListMark") {
          const item = node.node.parent;
          const line = state.doc.lineAt(node.from);
          // Indentation shows as padding, so nested items line up in every font.
          if (!inside(line.from, node.from)) hidden(line.from, node.from);
          if (item?.getChild("Task")) {
            const marker = item.getChild("Task").getChild("TaskMarker");
            if (marker && !inside(node.from, marker.to)) { hidden(node.from, marker.from); }
          } else if (item?.parent?.name === "BulletList" && !inside(node.from, node.to)) {
            marks.push(Decoration.replace({ widget: new Bullet() }).range(node.from, node.to));
          }
        } else if (node.name === "TaskMarker") {
          if (!inside(node.from, node.to)) {
            const checked = state.sliceDoc(node.from + 1, node.from + 2) !== " ";
            const box = Decoration.replace({ widget: new Box(checked) }).range(node.from, node.to);
            marks.push(box);
            atoms.push(box);
          }
        }
      },
    });
  }
  return { decorations: RangeSet.of([...lines, ...marks], true), atoms: RangeSet.of(atoms, true) };
}

const plugin = ViewPlugin.fromClass(class {
  constructor(view) { Object.assign(this, build(view)); }
  update(update) {
    const parsed = syntaxTree(update.state) !== syntaxTree(update.startState);
    if (update.docChanged || update.selectionSet || update.viewportChanged || update.focusChanged || parsed) Object.assign(this, build(update.view));
  }
}, {
  decorations: (value) => value.decorations,
  provide: (own) => EditorView.atomicRanges.of((view) => view.plugin(own)?.atoms ?? RangeSet.empty),
});

const clicks = EditorView.domEventHandlers({
  mousedown(event, view) {
    const target = event.target;
    if (!(target instanceof HTMLElement)) return false;
    if (target.classList.contains("md-box")) {
      event.preventDefault();
      return toggleTask(view, view.posAtDOM(target));
    }
    const link = target.closest(".md-link");
    const address = link?.getAttribute("data-href");
    if (address && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      window.open(address, "_blank", "noopener,noreferrer");
      return true;
    }
    return false;
  },
});

export const preview = [plugin, clicks];

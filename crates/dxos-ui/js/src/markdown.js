// The Markdown language for CodeMirror, from @lezer/markdown (CommonMark + GFM) alone: the ready-made package brings
// HTML, CSS and JavaScript parsers along and doubles the bundle.
import { Language, LanguageSupport, defineLanguageFacet, languageDataProp, syntaxHighlighting, HighlightStyle } from "@codemirror/language";
import { parser, GFM } from "@lezer/markdown";
import { tags } from "@lezer/highlight";

const data = defineLanguageFacet({ commentTokens: { block: { open: "<!--", close: "-->" } } });

export const markdownParser = parser.configure([GFM, { props: [languageDataProp.add({ Document: data })] }]);

const language = new Language(data, markdownParser, [], "markdown");

const style = HighlightStyle.define([
  { tag: tags.strong, class: "md-strong" },
  { tag: tags.emphasis, class: "md-em" },
  { tag: tags.strikethrough, class: "md-strike" },
  { tag: tags.monospace, class: "md-code" },
  { tag: tags.processingInstruction, class: "md-mark" },
  { tag: tags.contentSeparator, class: "md-mark" },
  { tag: tags.labelName, class: "md-mark" },
]);

export const markdown = () => new LanguageSupport(language, [syntaxHighlighting(style)]);

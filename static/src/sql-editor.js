// CodeMirror for the text areas of queries. It lives in a shadow root: there it hands its styles to the browser as
// constructed sheets, which a Content-Security-Policy without unsafe-inline allows, and no <style> element is made.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { SQLDialect, sql } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--color-primary)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--color-success)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--color-warning)" },
  { tag: tags.comment, color: "var(--color-muted)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--color-info)" },
]);

const look = EditorView.theme({
  "&": { color: "var(--color-base-content)", backgroundColor: "transparent", fontSize: "0.95rem" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace", lineHeight: "1.6", maxHeight: "28rem" },
  ".cm-content": { caretColor: "var(--color-primary)", padding: "0.5rem 0" },
  ".cm-gutters": { color: "var(--color-muted)", backgroundColor: "transparent", border: "none" },
  ".cm-cursor": { borderLeftColor: "var(--color-primary)" },
  ".cm-placeholder": { color: "var(--color-muted)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--color-accent-soft)" },
  ".cm-tooltip": { backgroundColor: "var(--color-base-100)", border: "1px solid var(--color-base-300)", borderRadius: "0.5rem", overflow: "hidden" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--color-accent-soft)", color: "var(--color-base-content)" },
});

const roomy = EditorView.theme({ ".cm-scroller": { minHeight: "9.6rem" } });

// Typing over a selection, Chromium would keep the selected text's colour in a style attribute of its own making, which the
// policy forbids: the replacement is made here instead.
const typedOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { from, to, empty } = view.state.selection.main;
    if (event.inputType !== "insertText" || event.data == null || empty || view.composing) return false;
    event.preventDefault();
    const plain = () => view.state.update(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
    const taken = view.state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, event.data, plain));
    if (!taken) view.dispatch(plain());
    return true;
  },
});

// `@start_date` is bound by the server; everything else is plain SQL of one of several warehouses.
const dialect = SQLDialect.define({ specialVar: "@", identifierQuotes: "\"`" });

// The text area stays the submitted field; `tables` is {name: [column, …]} for completions.
function enhance(area, tables) {
  const host = document.createElement("div");
  host.className = "sql-editor";
  host.dataset.for = area.id;
  area.after(host);
  area.hidden = true;
  const root = host.attachShadow({ mode: "open" });
  const label = document.querySelector(`label[for="${area.id}"]`);
  const named = { "aria-label": label?.textContent.trim() || "SQL", "aria-multiline": "true" };
  if (area.getAttribute("aria-invalid") === "true") {
    named["aria-invalid"] = "true";
    host.classList.add("input-invalid");
  }
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        lineNumbers(),
        history(),
        bracketMatching(),
        closeBrackets(),
        autocompletion(),
        // Tab leaves the editor, as every field: who uses the keyboard is not trapped
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap]),
        sql({ dialect, schema: tables, upperCaseKeywords: true }),
        syntaxHighlighting(colours),
        typedOver,
        look,
        roomy,
        placeholder(area.placeholder),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of(named),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          area.value = update.state.doc.toString();
          area.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    }),
  });
  label?.addEventListener("click", () => view.focus());
}

// A query that is only shown: the same colours, nothing to type.
function show(code) {
  const host = document.createElement("div");
  host.className = "sql-shown";
  const root = host.attachShadow({ mode: "open" });
  new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: code.textContent,
      extensions: [
        sql({ dialect }),
        syntaxHighlighting(colours),
        look,
        EditorState.readOnly.of(true),
        EditorView.editable.of(false),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": code.dataset.sqlShown, tabindex: "0" }),
      ],
    }),
  });
  const frame = code.closest("pre");
  frame.hidden = true; // stays for the copy button
  frame.after(host);
}

const known = document.getElementById("warehouse-tables");
const tables = known ? JSON.parse(known.textContent) : {};
for (const area of document.querySelectorAll("textarea[data-sql]")) enhance(area, tables);
for (const code of document.querySelectorAll("code[data-sql-shown]")) show(code);

import { clean, displayWidth, wrap } from "../../shared/text.ts";

const sgr = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, grey: 90 } as const;
export type Style = keyof typeof sgr;

interface PutOptions {
  /** What stands before the first line, and before the others. */
  first?: string;
  next?: string;
  styles?: readonly Style[];
  keepBlanks?: boolean;
}

export interface Page {
  readonly columns: number;
  put(text: string, options?: PutOptions): void;
  /** Preformatted text: its line breaks and blanks stay. */
  block(text: string, before: string, styles: readonly Style[]): void;
  /** Short texts side by side, as many as fit on a line, none of them broken. */
  flow(texts: readonly string[], styles: readonly Style[]): void;
  /** One empty line, however often it is asked for. */
  gap(): void;
  text(): string;
}

/** Lines of text behind a bar. `put` is the only way in: it cleans what it is given before it adds colour. */
export function createPage({ width = 88, color = false }: { width?: number; color?: boolean }, bar: Style): Page {
  const columns = Math.max(40, width) - 2;
  const lines: string[] = [];
  const paint = (text: string, styles: readonly Style[]) =>
    color && styles.length > 0 && text !== ""
      ? `\u001b[${styles.map((style) => sgr[style]).join(";")}m${text}\u001b[0m`
      : text;

  const page: Page = {
    columns,
    put(text, { first = "", next = first.replace(/\S/gu, " "), styles = [], keepBlanks = false } = {}) {
      const tidy = keepBlanks ? clean(text).replaceAll("\t", "    ") : clean(text).trim();
      const room = columns - Math.max(displayWidth(first), displayWidth(next));
      wrap(tidy, room).forEach((line, i) => {
        lines.push(paint(`${i === 0 ? first : next}${line}`, styles));
      });
    },
    block(text, before, styles) {
      for (const line of clean(text).split("\n"))
        page.put(line, { first: before, next: before, styles, keepBlanks: true });
    },
    flow(texts, styles) {
      const between = "   ";
      let line = "";
      for (const text of texts.map((one) => cut(clean(one), columns))) {
        if (line !== "" && displayWidth(line + between + text) > columns) {
          page.put(line, { styles });
          line = "";
        }
        line += line === "" ? text : between + text;
      }
      page.put(line, { styles });
    },
    gap() {
      if (lines.at(-1) !== "") lines.push("");
    },
    text: () => lines.map((line) => `${paint("┃", [bar])}${line === "" ? "" : ` ${line}`}`).join("\n"),
  };
  return page;
}

/** The part of a line that fits, with a sign that there was more. */
function cut(text: string, columns: number): string {
  const [first = "", ...rest] = wrap(text, columns - 1);
  return rest.length === 0 ? first : `${first}…`;
}

import { styleText } from "node:util";
import { wrap } from "../../shared/text.ts";

/** A card as it is drawn. */
export interface Drawing {
  /** A change of it is worth a new print where nothing can be redrawn. */
  readonly state: string;
  /** On its way to an outcome: where nothing can be redrawn, its first lines are enough. */
  readonly passing: boolean;
  readonly lines: readonly string[];
}

/**
 * Where the demo draws. On a terminal the card at the bottom is redrawn in place, cut to the window while it changes and whole once
 * something follows it; elsewhere each new state is printed once.
 */
export interface Screen {
  readonly live: boolean;
  readonly colour: boolean;
  readonly width: number;
  heading(text: string): void;
  say(text: string): void;
  card(id: string, drawing: Drawing): void;
  /** Puts a question below the whole card. What changes until it is answered is drawn after that. */
  ask(question: string): void;
  answered(): void;
}

export interface ScreenOptions {
  write(text: string): void;
  /** Whether the output is a terminal that can be redrawn. */
  live: boolean;
  colour: boolean;
  /** Of the window now. */
  size(): { columns: number; rows: number };
  /** Says that so many lines of a card are below the window. */
  more(lines: number): string;
}

const indent = "   ";
/** Lines of the window that are not the card's: the one that says there is more, the cursor's, and one of what stands above. */
const besides = 3;
/** Of a passing state, where nothing can be redrawn: what it is, and whose. */
const headLines = 2;

export function createScreen({ write, live, colour, size, more }: ScreenOptions): Screen {
  /** The card at the bottom, while it may still be redrawn; `rows` of it stand in the window. */
  let current: { id: string; lines: readonly string[]; rows: number } | null = null;
  let last: { id: string; drawing: Drawing } | null = null;
  let asking = false;
  let late: { id: string; drawing: Drawing } | null = null;
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const print = (lines: readonly string[]) => write(lines.map((line) => `${line}\n`).join(""));
  const width = () => Math.max(40, Math.min(size().columns, 100));
  const indented = (text: string) =>
    text.split("\n").flatMap((line) => wrap(line, width() - indent.length).map((part) => `${indent}${part}`.trimEnd()));

  return {
    live,
    colour,
    get width() {
      return width();
    },
    heading(text) {
      settle();
      print(["", ...wrap(`━━ ${text}`, width()).map((line) => paint(["bold", "cyan"], line)), ""]);
    },
    say(text) {
      settle();
      print(indented(text));
    },
    card,
    ask(question) {
      settle();
      asking = true;
      write(`\n${indented(question).join("\n")} `);
    },
    answered() {
      asking = false;
      write("\n\n");
      if (late !== null) card(late.id, late.drawing);
      late = null;
    },
  };

  function card(id: string, drawing: Drawing): void {
    if (asking) {
      late = { id, drawing };
      return;
    }
    if (last?.id === id && isShown(last.drawing, drawing)) return;
    last = { id, drawing };
    if (!live) {
      print(drawing.passing ? drawing.lines.slice(0, headLines) : drawing.lines);
      return;
    }
    if (current?.id === id) erase(current.rows);
    else settle();
    const room = Math.max(size().rows - besides, headLines);
    const cut = drawing.lines.length - room;
    const shown =
      cut > 0 ? [...drawing.lines.slice(0, room), paint("dim", indented(more(cut))[0] ?? "")] : drawing.lines;
    print(shown);
    current = { id, lines: drawing.lines, rows: shown.length };
  }

  function isShown(before: Drawing, now: Drawing): boolean {
    return live ? before.lines.join("\n") === now.lines.join("\n") : before.state === now.state;
  }

  /** Leaves the card at the bottom as it is, the whole of it. */
  function settle(): void {
    if (current !== null && current.rows !== current.lines.length) {
      erase(current.rows);
      print(current.lines);
    }
    current = null;
  }

  function erase(rows: number): void {
    write(`\u001b[${rows}A\u001b[0J`);
  }
}

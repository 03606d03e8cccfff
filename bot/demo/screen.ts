import { styleText } from "node:util";

/** Where the demo draws. On a terminal the card at the bottom is redrawn in place; elsewhere each new state is printed once. */
export interface Screen {
  readonly live: boolean;
  readonly colour: boolean;
  readonly width: number;
  heading(text: string): void;
  say(text: string): void;
  /** Shows the present state of one card. The next `say` or another card leaves it standing. */
  card(id: string, lines: readonly string[]): void;
}

export interface ScreenOptions {
  write(text: string): void;
  /** Whether the output is a terminal that can be redrawn. */
  live: boolean;
  colour: boolean;
  columns: number;
}

export function createScreen({ write, live, colour, columns }: ScreenOptions): Screen {
  let shown: { id: string; lines: readonly string[] } | null = null;
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const print = (lines: readonly string[]) => write(lines.map((line) => `${line}\n`).join(""));

  return {
    live,
    colour,
    width: Math.max(40, Math.min(columns, 100)),
    heading(text) {
      shown = null;
      print(["", paint(["bold", "cyan"], `━━ ${text}`), ""]);
    },
    say(text) {
      shown = null;
      print(text.split("\n").map((line) => `   ${line}`));
    },
    card(id, lines) {
      if (shown !== null && shown.id === id && shown.lines.join("\n") === lines.join("\n")) return;
      // A card taller than the window could not be redrawn without smearing; it is cheap to print it again below.
      if (live && shown !== null && shown.id === id) write(`\u001b[${shown.lines.length}A\u001b[0J`);
      print(lines);
      shown = { id, lines };
    },
  };
}

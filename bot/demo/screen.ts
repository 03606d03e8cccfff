import { styleText } from "node:util";

/** Where the demo draws. On a terminal the card at the bottom is redrawn in place; elsewhere each new state is printed once. */
export interface Screen {
  readonly live: boolean;
  readonly colour: boolean;
  readonly width: number;
  heading(text: string): void;
  say(text: string): void;
  /** Shows one card as it is now. Where nothing can be redrawn, only when its state is another than the last shown. */
  card(id: string, state: string, lines: readonly string[]): void;
}

export interface ScreenOptions {
  write(text: string): void;
  /** Whether the output is a terminal that can be redrawn. */
  live: boolean;
  colour: boolean;
  columns: number;
}

export function createScreen({ write, live, colour, columns }: ScreenOptions): Screen {
  let shown: { id: string; state: string; lines: readonly string[] } | null = null;
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
    card(id, state, lines) {
      const same = shown !== null && shown.id === id;
      if (same && (live ? shown?.lines.join("\n") === lines.join("\n") : shown?.state === state)) return;
      if (live && same) write(`\u001b[${shown?.lines.length ?? 0}A\u001b[0J`);
      print(lines);
      shown = { id, state, lines };
    },
  };
}

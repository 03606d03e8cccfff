import Table from "cli-table3";
import { clean, cleanLine } from "../shared/text.ts";
import { cleanDeep } from "./clean-deep.ts";
import { toYaml } from "./yaml.ts";

export type Format = "table" | "wide" | "json" | "yaml" | "csv" | "name";

export type Tone = "good" | "bad" | "warning" | "quiet" | "strong";

export interface Column<T> {
  readonly header: string;
  /** Only with `-o wide`, and in CSV. */
  readonly wide?: true;
  readonly value: (item: T) => string;
  readonly tone?: (item: T) => Tone | null;
}

/** How one kind of thing is shown. */
export interface View<T> {
  /** As in `-o json`: `Incident`. A list of it is `IncidentList`. */
  readonly kind: string;
  /** As in `-o name`: `incident/ID`. */
  readonly name: (item: T) => string;
  readonly columns: readonly Column<T>[];
  /** One of them, as people read it. */
  readonly detail?: (item: T, paint: Paint) => readonly string[];
}

export type Paint = (tone: Tone | null, text: string) => string;

export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface Output {
  readonly format: Format;
  list<T extends object>(view: View<T>, items: readonly T[]): void;
  one<T extends object>(view: View<T>, item: T): void;
  /** One more row of a list that is being watched, without its header. */
  row<T extends object>(view: View<T>, item: T): void;
  /** An answer that is no list and no thing of its own: an object under a kind, or lines for people. */
  answer<T extends object>(kind: string, value: T, lines: (value: T, paint: Paint) => readonly string[]): void;
  /** Data as it is, one line: NDJSON and scripts. */
  line(text: string): void;
  /** Words for people, on stderr; data never goes there. */
  say(text: string): void;
  readonly paint: Paint;
}

const apiVersion = "steward.io/v1";

const sgr: Readonly<Record<Tone, string>> = { good: "32", bad: "31", warning: "33", quiet: "2", strong: "1" };

/** Data goes to `stdout`, words to `stderr`; colour only where `colour` says so. Nothing that came from outside can steer the terminal. */
export function createOutput(stdout: Sink, stderr: Sink, format: Format, colour: boolean): Output {
  const paint: Paint = (tone, text) =>
    colour && tone !== null && text !== "" ? `\u001b[${sgr[tone]}m${text}\u001b[0m` : text;
  const print = (text: string) => void stdout.write(`${text}\n`);

  return {
    format,
    paint,
    say: (text) => void stderr.write(`${clean(text)}\n`),
    line: print,
    list(view, items) {
      if (format === "json" || format === "yaml") {
        return structured({ apiVersion, kind: `${view.kind}List`, items: items.map((item) => named(view.kind, item)) });
      }
      if (format === "name") {
        for (const item of items) print(cleanLine(view.name(item)));
        return;
      }
      if (format === "csv") return csv(view, items);
      if (items.length > 0) print(table(view, items, true));
    },
    one(view, item) {
      if (format === "json" || format === "yaml") return structured(named(view.kind, item));
      if (format === "name") return print(cleanLine(view.name(item)));
      if (format === "csv") return csv(view, [item]);
      if (view.detail === undefined || format === "wide") return print(table(view, [item], true));
      for (const text of view.detail(cleanDeep(item), paint)) print(text);
    },
    row(view, item) {
      if (format === "json") return print(safeJson(named(view.kind, item), 0));
      if (format === "yaml") return print(`---\n${toYaml(named(view.kind, item))}`);
      if (format === "name") return print(cleanLine(view.name(item)));
      if (format === "csv") return print(csvLine(view.columns.map(({ value }) => value(item))));
      print(table(view, [item], false));
    },
    answer(kind, value, lines) {
      if (format === "json" || format === "yaml") return structured(named(kind, value));
      for (const text of lines(cleanDeep(value), paint)) print(text);
    },
  };

  function structured(value: object): void {
    print(format === "json" ? safeJson(value, 2) : toYaml(value));
  }

  function csv<T>(view: View<T>, items: readonly T[]): void {
    print(csvLine(view.columns.map(({ header }) => header)));
    for (const item of items) print(csvLine(view.columns.map(({ value }) => value(item))));
  }

  function table<T>(view: View<T>, items: readonly T[], withHeader: boolean): string {
    const columns = view.columns.filter(({ wide }) => wide === undefined || format === "wide");
    const borderless = Object.fromEntries(tableParts.map((part) => [part, ""]));
    const grid = new Table({
      chars: borderless,
      style: { "padding-left": 0, "padding-right": 3, head: [], border: [], compact: true },
      ...(withHeader ? { head: columns.map(({ header }) => header) } : {}),
    });
    for (const item of items) {
      grid.push(columns.map(({ value, tone }) => paint(tone?.(item) ?? null, cleanLine(value(item)) || "-")));
    }
    return grid
      .toString()
      .split("\n")
      .map((row) => row.trimEnd())
      .join("\n");
  }
}

const tableParts = [
  ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
  ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
];

function named(kind: string, value: object): object {
  return { apiVersion, kind, ...value };
}

/** JSON.stringify leaves C1 controls and direction marks as they are; as escapes they say the same and steer nothing. */
function safeJson(value: unknown, indent: number): string {
  return JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (point) => `\\u${point.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** RFC 4180. A cell that a spreadsheet would run as a formula is made text. */
function csvLine(cells: readonly string[]): string {
  return cells
    .map((cell) => {
      const text = clean(cell);
      const harmless = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
      return /[",\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
    })
    .join(",");
}

import { createInterface } from "node:readline";
import type { ReadStream } from "node:tty";
import { exit, Failure } from "./exit.ts";

/** The person at the other end, if there is one. */
export interface Terminal {
  /** Whether questions can be asked. */
  readonly interactive: boolean;
  /** Asks on stderr; the answer is echoed. */
  ask(question: string): Promise<string>;
  /** Asks without echo; where nobody can be asked, reads the first line of stdin. */
  secret(question: string): Promise<string>;
  /** Takes the whole screen until `close`: each key goes to `onKey`, every change of its size to `onResize`. */
  screen(onKey: (key: string) => void, onResize: () => void): Screen;
}

export interface Screen {
  readonly size: () => Size;
  /** Shows these lines, and nothing of what was there before. */
  draw(lines: readonly string[]): void;
  close(): void;
}

export interface Size {
  columns: number;
  rows: number;
}

/** The alternate screen with its cursor hidden, and back. Source: xterm control sequences, DEC private modes 1049 and 25. */
const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";
const home = "\u001b[H";
const clearLine = "\u001b[K";
const clearBelow = "\u001b[J";

export function createTerminal(stdin: ReadStream, stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): Terminal {
  const interactive = stdin.isTTY === true && stderr.isTTY === true;
  let lines: AsyncIterator<string> | null = null;

  return {
    interactive,
    ask(question) {
      if (!interactive) return firstLine(question);
      const reader = createInterface({ input: stdin, output: stderr });
      return new Promise((resolve, reject) => {
        reader.once("close", () => reject(interrupted()));
        reader.question(question, (answer) => {
          resolve(answer.trim());
          reader.close();
        });
      });
    },
    secret: (question) => (interactive ? silently(question) : firstLine(question)),
    screen(onKey, onResize) {
      const onData = (data: Buffer) => {
        for (const key of keysOf(data.toString("utf8"))) onKey(key);
      };
      stdout.write(enter);
      stdin.setRawMode(true);
      stdin.on("data", onData);
      stdin.resume();
      stdout.on("resize", onResize);
      return {
        size: () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 }),
        draw: (lines) => void stdout.write(`${home}${lines.map((line) => line + clearLine).join("\r\n")}${clearBelow}`),
        close() {
          stdout.off("resize", onResize);
          stdin.off("data", onData);
          stdin.setRawMode(false);
          stdin.pause();
          stdout.write(leave);
        },
      };
    },
  };

  /** The lines of a pipe, one for each question. */
  async function firstLine(question: string): Promise<string> {
    lines ??= createInterface({ input: stdin })[Symbol.asyncIterator]();
    const { done, value } = await lines.next();
    if (done === true)
      throw new Failure(
        exit.usage,
        `${question.replace(/: $/, "")} is needed: stdin is not a terminal and has no more lines`,
      );
    return value;
  }

  function silently(question: string): Promise<string> {
    stderr.write(question);
    stdin.setRawMode(true);
    stdin.resume();
    return new Promise((resolve, reject) => {
      let typed = "";
      const end = (finish: () => void) => {
        stdin.off("data", onData);
        stdin.setRawMode(false);
        stdin.pause();
        stderr.write("\n");
        finish();
      };
      const onData = (data: Buffer) => {
        for (const key of data.toString("utf8")) {
          if (key === "\r" || key === "\n") return end(() => resolve(typed));
          if (key === "\u0003" || key === "\u0004") return end(() => reject(interrupted()));
          if (key === "\u007f" || key === "\b") typed = [...typed].slice(0, -1).join("");
          else if (key === "\u0015") typed = "";
          else if (key >= " ") typed += key;
        }
      };
      stdin.on("data", onData);
    });
  }
}

function interrupted(): Failure {
  return new Failure(exit.failed, "interrupted");
}

const esc = "\u001b";
const keyPattern = new RegExp(`${esc}\\[[0-9;]*[A-Za-z~]|${esc}O[A-Za-z]|[\\s\\S]`, "gu");

/** A chunk of input as keys: an arrow is one key of several characters, a paste is many keys. */
function keysOf(input: string): string[] {
  return input.match(keyPattern) ?? [];
}

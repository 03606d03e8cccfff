import { dirname, resolve } from "node:path";
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { field } from "../../shared/kube.ts";
import { describePath } from "../../shared/parse.ts";

/** One thing wrong with a configuration. `path` is as `safety.protectedNamespaces[1]`; empty for the file as a whole. */
export interface Fault {
  path: string;
  message: string;
  file: string | null;
  line: number | null;
}

/** A step of a path into the YAML tree. */
export type Step = string | number;

/** The values of a YAML file, each of which can be traced back to its line. */
export interface Source {
  /** null for the built-in defaults, where there is no file. */
  readonly file: string | null;
  /** The values, with `${NAME}` and `{ file: PATH }` replaced. What could not be replaced keeps its own text and has a fault. */
  readonly value: unknown;
  readonly faults: readonly Fault[];
  at(path: readonly Step[]): unknown;
  /** The line of the key at a path, or of the nearest thing above it. */
  line(path: readonly Step[]): number | null;
  fault(path: readonly Step[], message: string): Fault;
  /** Whether this path, or one above it, already has a fault. */
  isFaulty(path: readonly Step[]): boolean;
  /** A path in the file as it is meant: relative to the folder of the file. */
  resolve(path: string): string;
}

/** What lies around a configuration file. */
export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** Throws as `fs.readFileSync` does. */
  readFile(path: string): string;
}

/** Parses a YAML file and fills in what it refers to. Never throws for what the file says: that is in `faults`. */
export function readSource(file: string | null, content: string, surroundings: Surroundings): Source {
  const lines = new LineCounter();
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false });
  const folder = file === null ? surroundings.cwd : dirname(file);
  const faults: Fault[] = [];
  const faulty = new Set<string>();

  for (const error of document.errors) {
    faults.push({
      path: "",
      message: `is not valid YAML: ${error.message}`,
      file,
      line: lines.linePos(error.pos[0]).line,
    });
    faulty.add("");
  }
  const value = faults.length > 0 ? {} : fill(toValue(), []);

  return {
    file,
    value,
    faults,
    at: (path) => field(value, ...path),
    line,
    fault,
    isFaulty: (path) => faulty.has("") || path.some((_, i) => faulty.has(describePath(path.slice(0, i + 1)))),
    resolve: (path) => resolve(folder, path),
  };

  function toValue(): unknown {
    try {
      return document.toJS({ maxAliasCount: 100 }) ?? {};
    } catch (error) {
      // An alias without its anchor, or a few lines that mean to grow into gigabytes.
      report([], `is not valid YAML: ${error instanceof Error ? error.message : "it cannot be read"}`);
      return {};
    }
  }

  function line(path: readonly Step[]): number | null {
    const offset = offsetOf(document, path);
    return offset === null || file === null ? null : lines.linePos(offset).line;
  }

  function fault(path: readonly Step[], message: string): Fault {
    return { path: describePath(path), message, file, line: line(path) };
  }

  function report(path: readonly Step[], message: string): void {
    faults.push(fault(path, message));
    faulty.add(describePath(path));
  }

  function fill(given: unknown, path: readonly Step[]): unknown {
    if (typeof given === "string") return expand(given, path);
    if (Array.isArray(given)) return given.map((item, i) => fill(item, [...path, i]));
    if (typeof given !== "object" || given === null) return given;
    const secret = pathOfSecret(given, path);
    if (secret !== null) return readSecret(expand(secret, path), path);
    return Object.fromEntries(Object.entries(given).map(([key, item]) => [key, fill(item, [...path, key])]));
  }

  function expand(given: string, path: readonly Step[]): string {
    return given.replace(/\$(\$\{)|\$\{([^}]*)\}/g, (whole, literal?: string, name?: string) => {
      if (literal !== undefined) return literal;
      const found = name === undefined ? undefined : surroundings.env[name];
      if (found !== undefined) return found;
      report(path, `needs the environment variable ${name}, which is not set`);
      return whole;
    });
  }

  function readSecret(path: string, at: readonly Step[]): string {
    if (faulty.has(describePath(at))) return path;
    try {
      // Editors and `kubectl create secret --from-file` leave a newline that is no part of the secret.
      return surroundings.readFile(resolve(folder, path)).replace(/\r?\n$/, "");
    } catch (error) {
      report(at, `needs the file ${path}, which cannot be read (${codeOf(error)})`);
      return path;
    }
  }
}

/** The path in `{ file: PATH }`, which stands for a text; but the section `policy` has a key of its own called `file`. */
function pathOfSecret(value: object, path: readonly Step[]): string | null {
  const [first, ...more] = Object.entries(value);
  if (first === undefined || more.length > 0 || first[0] !== "file" || typeof first[1] !== "string") return null;
  return path.length === 1 && path[0] === "policy" ? null : first[1];
}

function offsetOf(document: Document, path: readonly Step[]): number | null {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && key.value === path[length - 1])
      : undefined;
    const node = pair !== undefined ? pair.key : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return null;
}

/** `ENOENT` and the like: what a person can search for. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

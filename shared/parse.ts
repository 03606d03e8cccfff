import type { z } from "zod";
import { StewardError } from "./errors.ts";

/** Parses what came from outside. Throws `invalid` with the path of the first wrong field. */
export function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = firstFault(parsed.error.issues);
  throw new StewardError("invalid", path === "" ? message : `${path}: ${message}`, path === "" ? {} : { path });
}

type Issues = readonly z.core.$ZodIssue[];

function firstFault(issues: Issues, above: readonly PropertyKey[] = []): { path: string; message: string } {
  const issue = issues[0];
  if (issue === undefined) return { path: "", message: "is not what this call takes" };
  const path = [...above, ...issue.path];
  if (issue.code === "invalid_union") {
    const meant = closest(issue.errors);
    return meant === null
      ? { path: describePath(path), message: "is none of the forms this call takes" }
      : firstFault(meant, path);
  }
  if (issue.code === "unrecognized_keys") {
    return { path: describePath([...path, issue.keys[0] ?? ""]), message: "is not a known field" };
  }
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) {
    return { path: describePath(path), message: "is missing" };
  }
  return { path: describePath(path), message: issue.message };
}

/** Of a union's alternatives, the one that was most likely meant: the one whose own fields are there. */
function closest(alternatives: readonly Issues[]): Issues | null {
  const byMisses = alternatives.map((issues) => ({
    issues,
    misses: issues.filter(({ code, path }) => code === "unrecognized_keys" || path.length <= 1).length,
  }));
  byMisses.sort((a, b) => a.misses - b.misses);
  return byMisses[0]?.issues ?? null;
}

/** `safety.protectedNamespaces[1]`; a key that is no plain word is quoted. */
export function describePath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    const key = String(step);
    if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${text}[${JSON.stringify(key)}]`;
    return text === "" ? key : `${text}.${key}`;
  }, "");
}

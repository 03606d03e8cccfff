import type { z } from "zod";
import type { Fault, Source, Step } from "./source.ts";

/** Faults of a schema in the words of who wrote the file. What only follows from a fault the source already has is left out. */
export function describeIssues(error: z.ZodError, source: Source): Fault[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.filter((step): step is Step => typeof step !== "symbol");
    if (source.isFaulty(path)) return [];
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => source.fault([...path, key], "is not a known key"));
    }
    return [source.fault(path, describe(issue, source.at(path)))];
  });
}

function describe(issue: z.core.$ZodIssue, found: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      if (found === undefined) return "is missing";
      if (issue.message.startsWith("must")) return issue.message;
      return `must be ${article(issue.expected)}, not ${nameOf(found)}`;
    case "invalid_value":
      return `must be ${issue.values.map(String).join(" or ")}`;
    case "too_small":
      return issue.message.startsWith("must") ? issue.message : `must be at least ${issue.minimum}`;
    case "too_big":
      return issue.message.startsWith("must") ? issue.message : `must be at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

const words: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a section with keys",
  record: "a section with keys",
  null: "empty",
};

function article(expected: string): string {
  return words[expected] ?? expected;
}

/** The kind of what was found, never its content: it may be a secret. */
function nameOf(found: unknown): string {
  if (found === null) return "empty";
  if (Array.isArray(found)) return "a list";
  return article(typeof found);
}

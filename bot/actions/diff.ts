import { stringify } from "yaml";
import type { KubeObject } from "../../shared/kube.ts";
import { redactObject } from "../../shared/redact.ts";
import { opAnnotation } from "./definition.ts";

const context = 3;

/** Beyond so many line pairs the changed middle is shown whole: no object of this size is read line by line. */
const mostPairs = 4_000_000;

/**
 * The unified diff of an object before and after, as people read it: pruned, redacted YAML, hunks with three lines around
 * each change and nothing else. Empty when nothing that matters changes. `after` null is a deletion.
 */
export function diffObjects(before: KubeObject, after: KubeObject | null): string {
  const old = lines(before);
  const hunks = unified(old, after === null ? [] : lines(after));
  return hunks === ""
    ? ""
    : `--- ${after === null ? "live" : "before"}\n+++ ${after === null ? "/dev/null" : "after"}\n${hunks}`;
}

function lines(object: KubeObject): string[] {
  return stringify(redactObject(pruned(object)), {
    lineWidth: 0,
    aliasDuplicateObjects: false,
    sortMapEntries: true,
    compat: "yaml-1.1", // what is copied from a card is read by kubectl, to which a bare `no` is not a text
  })
    .trimEnd()
    .split("\n");
}

/** What servers and controllers keep for themselves: no decision rests on it. */
const noise = new Set([
  opAnnotation,
  "kubectl.kubernetes.io/last-applied-configuration",
  "deployment.kubernetes.io/revision",
  "deprecated.daemonset.template.generation",
]);

function pruned({ apiVersion, kind, metadata, status: _, ...rest }: KubeObject): KubeObject {
  const { name, namespace, labels, annotations } = metadata;
  const told = Object.entries(annotations ?? {}).filter(([key]) => !noise.has(key));
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      ...(told.length === 0 ? {} : { annotations: Object.fromEntries(told) }),
    },
    ...rest,
  };
}

type Edit = { mark: " " | "-" | "+"; line: string };

function unified(before: readonly string[], after: readonly string[]): string {
  const edits = editsOf(before, after);
  const changed = edits.flatMap(({ mark }, i) => (mark === " " ? [] : [i]));
  const hunks: [number, number][] = [];
  for (const i of changed) {
    const last = hunks.at(-1);
    const [from, to] = [Math.max(0, i - context), Math.min(edits.length, i + context + 1)];
    if (last !== undefined && from <= last[1]) last[1] = to;
    else hunks.push([from, to]);
  }
  return hunks.map(([from, to]) => hunkText(edits, from, to)).join("\n");
}

function hunkText(edits: readonly Edit[], from: number, to: number): string {
  const count = (part: readonly Edit[], without: "-" | "+") => part.filter(({ mark }) => mark !== without).length;
  const [earlier, part] = [edits.slice(0, from), edits.slice(from, to)];
  const range = (without: "-" | "+") => {
    const size = count(part, without);
    return `${count(earlier, without) + (size === 0 ? 0 : 1)},${size}`;
  };
  return [`@@ -${range("+")} +${range("-")} @@`, ...part.map(({ mark, line }) => `${mark}${line}`)].join("\n");
}

/** The shortest edit by longest common subsequence, after what is equal at both ends is set aside. */
function editsOf(before: readonly string[], after: readonly string[]): Edit[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  )
    tail++;
  const keep = (line: string): Edit => ({ mark: " ", line });
  return [
    ...before.slice(0, head).map(keep),
    ...middle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...before.slice(before.length - tail).map(keep),
  ];
}

function middle(before: readonly string[], after: readonly string[]): Edit[] {
  const removed = before.map((line): Edit => ({ mark: "-", line }));
  const added = after.map((line): Edit => ({ mark: "+", line }));
  if (before.length === 0 || after.length === 0 || before.length * after.length > mostPairs)
    return [...removed, ...added];

  const width = after.length + 1;
  const common = new Uint32Array((before.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      common[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));

  const edits: Edit[] = [];
  let [i, j] = [0, 0];
  while (i < before.length && j < after.length) {
    if (before[i] === after[j]) {
      edits.push({ mark: " ", line: before[i] ?? "" });
      i++;
      j++;
    } else if (at(i + 1, j) >= at(i, j + 1)) edits.push({ mark: "-", line: before[i++] ?? "" });
    else edits.push({ mark: "+", line: after[j++] ?? "" });
  }
  return [...edits, ...removed.slice(i), ...added.slice(j)];
}

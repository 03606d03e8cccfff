import { controllerOf, field, type KubeObject, kinds, listField, numberField, stringField } from "../../shared/kube.ts";
import { redactObject } from "../../shared/redact.ts";
import { truncate } from "../../shared/text.ts";
import { selectorText } from "../actions/target.ts";
import { type PodFacts, quantities } from "./pod.ts";
import { timeOf } from "./print.ts";
import type { ToolContext } from "./tool.ts";
import { conditionsOf, replicaSetsOf } from "./workload.ts";

/** A state of a workload's pod template, and how it fared. */
export interface RevisionFacts {
  number: number;
  /** Of the ReplicaSet or ControllerRevision. */
  name: string;
  /** The label value its pods carry. */
  key: string;
  /** When it became the present one; null when that cannot be told. */
  at: Date | null;
  /** How long it was the present one before the next took over; null for the present one or when it cannot be told. */
  servedMs: number | null;
  pods: number;
  ready: number;
  images: readonly string[];
  /** What it changed against the one before, one line each; secrets masked. */
  changes: readonly string[];
  template: unknown;
}

interface Raw {
  number: number;
  name: string;
  key: string;
  createdAt: Date | null;
  pods: number;
  ready: number;
  template: unknown;
}

/** The kept revisions, oldest first; the last is the present one. */
export async function revisionsOf(
  context: ToolContext,
  object: KubeObject,
  pods: readonly PodFacts[],
): Promise<RevisionFacts[]> {
  const raw = (
    object.kind === "Deployment"
      ? await fromReplicaSets(context, object)
      : await fromControllerRevisions(context, object, pods)
  )
    .filter(({ number }) => number > 0)
    .sort((a, b) => a.number - b.number);
  const times = beginnings(raw, object);
  return raw.map((revision, i) => {
    const at = times[i] ?? null;
    const next = times[i + 1] ?? null;
    const before = raw[i - 1];
    return {
      number: revision.number,
      name: revision.name,
      key: revision.key,
      at,
      servedMs: at === null || next === null ? null : next.getTime() - at.getTime(),
      pods: revision.pods,
      ready: revision.ready,
      images: listField(revision.template, "spec", "containers").map(
        (container) => stringField(container, "image") ?? "",
      ),
      changes: before === undefined ? [] : templateChanges(before.template, revision.template),
      template: revision.template,
    };
  });
}

async function fromReplicaSets(context: ToolContext, deployment: KubeObject): Promise<Raw[]> {
  return (await replicaSetsOf(context, deployment)).map((set) => ({
    number: Number(set.metadata.annotations?.["deployment.kubernetes.io/revision"] ?? 0),
    name: set.metadata.name,
    key: set.metadata.labels?.["pod-template-hash"] ?? "",
    createdAt: timeOf(set.metadata.creationTimestamp),
    pods: numberField(set, "status", "replicas") ?? 0,
    ready: numberField(set, "status", "readyReplicas") ?? 0,
    template: field(set, "spec", "template"),
  }));
}

async function fromControllerRevisions(
  context: ToolContext,
  object: KubeObject,
  pods: readonly PodFacts[],
): Promise<Raw[]> {
  const { items } = await context.read.list(
    {
      type: kinds.controllerrevision,
      namespace: object.metadata.namespace ?? null,
      labelSelector: selectorText(field(object, "spec", "selector")),
    },
    context.signal,
  );
  return items
    .filter((item) => controllerOf(item)?.uid === object.metadata.uid)
    .map((item) => {
      const key =
        item.metadata.labels?.["controller.kubernetes.io/hash"] ??
        item.metadata.labels?.["controller-revision-hash"] ??
        "";
      const mine = pods.filter(
        ({ revision }) => revision !== "" && (revision === item.metadata.name || revision === key),
      );
      return {
        number: numberField(item, "revision") ?? 0,
        name: item.metadata.name,
        key,
        createdAt: timeOf(item.metadata.creationTimestamp),
        pods: mine.length,
        ready: mine.filter(({ ready }) => ready).length,
        template: field(item, "data", "spec", "template"),
      };
    });
}

/** When each became the present one: its creation, unless it is an old one that was brought back. */
function beginnings(raw: readonly Raw[], object: KubeObject): (Date | null)[] {
  let latest = 0;
  return raw.map(({ createdAt }, i) => {
    if (createdAt === null) return null;
    if (createdAt.getTime() >= latest) {
      latest = createdAt.getTime();
      return createdAt;
    }
    return i === raw.length - 1
      ? (conditionsOf(object).find(({ type }) => type === "Progressing")?.since ?? null)
      : null;
  });
}

const mostChanges = 12;

/** What differs between two pod templates, as `containers[app].image: shop:1 → shop:2`. */
function templateChanges(before: unknown, after: unknown): string[] {
  const from = flatten(redactObject(before));
  const to = flatten(redactObject(after));
  const names = [...new Set([...from.keys(), ...to.keys()])].filter(
    (name) => !name.endsWith("labels.pod-template-hash"),
  );
  const changes = names.flatMap((name) => {
    const [old, now] = [from.get(name), to.get(name)];
    if (old === now) return [];
    if (old === undefined) return [`${name}: added ${now}`];
    return [now === undefined ? `${name}: removed (was ${old})` : `${name}: ${old} → ${now}`];
  });
  const short = changes.map((change) => truncate(change, 200));
  return short.length <= mostChanges
    ? short
    : [...short.slice(0, mostChanges), `… and ${short.length - mostChanges} more`];
}

function flatten(value: unknown, path = "", into = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(value)) {
    for (const [i, entry] of value.entries()) flatten(entry, `${path}[${elementName(entry) ?? i}]`, into);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, entry] of Object.entries(value)) {
      const step = path === "" ? name : `${path}.${name}`;
      flatten(entry, step.replace(/^(?:spec|metadata)\./, ""), into);
    }
  } else if (value !== null && value !== undefined) into.set(path, String(value));
  return into;
}

/** Lists of containers, variables, ports and volumes are told apart by name, as strategic merge does. */
function elementName(entry: unknown): string | undefined {
  return stringField(entry, "name") ?? stringField(entry, "mountPath");
}

/** The limits of a container in a template. */
export function limitsIn(template: unknown, container: string): Record<string, string> {
  const spec = listField(template, "spec", "containers").find((entry) => stringField(entry, "name") === container);
  return quantities(field(spec, "resources", "limits"));
}

import { z } from "zod";
import { type KubeObject, kinds, numberField, stringField } from "../../shared/kube.ts";
import { cleanLine, truncate } from "../../shared/text.ts";
import { Namespace, Target } from "./arguments.ts";
import { templateOf } from "./fold.ts";
import { age, bounded, columns, readAt, timeOf } from "./print.ts";
import { defineTool, type ReadRule, type ToolContext } from "./tool.ts";
import { findRef, podsOf, replicaSetsOf } from "./workload.ts";

/** Events of one object that say the same, with how often and when. */
export interface EventFacts {
  type: string;
  reason: string;
  /** `pod/checkout-1`. */
  object: string;
  message: string;
  count: number;
  first: Date | null;
  last: Date | null;
}

/** Events of a namespace that are looked at: the API keeps them an hour, a busy namespace has a few hundred. */
const mostEvents = 1_000;

export const eventRules: readonly ReadRule[] = [
  { apiGroups: [""], resources: ["events"], verbs: ["list"] },
  { apiGroups: ["apps"], resources: ["replicasets"], verbs: ["list"] },
  { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
];

/** What happened to an object, its ReplicaSets and its pods (those already gone too), newest last. */
export async function eventsAbout(
  context: ToolContext,
  object: KubeObject,
  pods: readonly { name: string }[],
): Promise<EventFacts[]> {
  const namespace = object.metadata.namespace ?? null;
  const { items } = await context.read.list(
    {
      type: kinds.event,
      namespace,
      limit: mostEvents,
      ...(object.kind === "Node"
        ? { fieldSelector: `involvedObject.kind=Node,involvedObject.name=${object.metadata.name}` }
        : {}),
    },
    context.signal,
  );
  const sets = object.kind === "Deployment" ? await replicaSetsOf(context, object) : [];
  const names = new Set([
    object.metadata.name,
    ...sets.map(({ metadata }) => metadata.name),
    ...pods.map(({ name }) => name),
  ]);
  const gone =
    object.kind === "Pod"
      ? null
      : new RegExp(`^${object.metadata.name.replaceAll(".", "\\.")}(?:-[a-z0-9]{1,10})?-[a-z0-9]{1,10}$`);
  return foldEvents(
    context.open(items).filter((event) => {
      const name = stringField(event, "involvedObject", "name") ?? "";
      const kind = stringField(event, "involvedObject", "kind") ?? "";
      return names.has(name) || (gone !== null && (kind === "Pod" || kind === "ReplicaSet") && gone.test(name));
    }),
  );
}

/** Source: core/v1 Event; events.k8s.io writes `series` and `eventTime` instead of count and times. */
export function foldEvents(events: readonly KubeObject[]): EventFacts[] {
  const folded = new Map<string, EventFacts>();
  for (const event of events) {
    const kind = (stringField(event, "involvedObject", "kind") ?? "").toLowerCase();
    const object = `${kind}/${stringField(event, "involvedObject", "name") ?? ""}`;
    const message = cleanLine(stringField(event, "message") ?? "");
    const reason = stringField(event, "reason") ?? "";
    const moment = timeOf(stringField(event, "eventTime")) ?? timeOf(event.metadata.creationTimestamp);
    const first = timeOf(stringField(event, "firstTimestamp")) ?? moment;
    const last =
      timeOf(stringField(event, "series", "lastObservedTime")) ?? timeOf(stringField(event, "lastTimestamp")) ?? moment;
    const count = numberField(event, "series", "count") ?? numberField(event, "count") ?? 1;
    const key = [object, reason, templateOf(message)].join("\n");
    const known = folded.get(key);
    if (known === undefined) {
      folded.set(key, { type: stringField(event, "type") ?? "", reason, object, message, count, first, last });
      continue;
    }
    known.count += count;
    if (time(first) < time(known.first)) known.first = first;
    if (time(last) >= time(known.last)) {
      known.last = last;
      known.message = message;
    }
  }
  return [...folded.values()].sort((a, b) => time(a.last) - time(b.last));
}

function time(at: Date | null): number {
  return at?.getTime() ?? 0;
}

/** Sibling pods that say the same take one line. */
export function printEvents(events: readonly EventFacts[], now: Date): string[] {
  const groups = new Map<string, EventFacts[]>();
  for (const event of events) {
    const name = event.object.slice(event.object.indexOf("/") + 1);
    const family = event.object.replace(/-[a-z0-9]{4,10}$/, "-*");
    const key = [family, event.reason, templateOf(event.message.replaceAll(name, "@"))].join("\n");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [event]);
    else group.push(event);
  }
  return columns(
    [...groups.values()]
      .map((group) => ({ group, newest: group.reduce((a, b) => (time(a.last) > time(b.last) ? a : b)) }))
      .sort((a, b) => time(a.newest.last) - time(b.newest.last))
      .map(({ group, newest }) => {
        const count = group.reduce((sum, event) => sum + event.count, 0);
        const first = group.reduce((a, b) => (time(a.first) < time(b.first) ? a : b)).first;
        const others = group.length > 1 ? ` and ${group.length - 1} more` : "";
        const repeats = count > 1 ? ` (×${count} over ${age(first, newest.last ?? now)})` : "";
        return [
          `${age(newest.last, now)} ago`,
          newest.type,
          newest.reason,
          `${newest.object}${others}`,
          `${truncate(withoutIds(newest.message), 400)}${repeats}`,
        ];
      }),
  );
}

/** The kubelet names pods with namespace and uid where the name is enough. */
export function withoutIds(message: string): string {
  return message
    .replace(/_[a-z0-9-]{1,63}\([0-9a-f-]{36}\)/g, "")
    .replace(/ (?:container|pod)=\S+/g, "")
    .trim();
}

export const kubectlEvents = defineTool({
  description:
    "Events of an object (with its ReplicaSets and pods) or of a namespace, newest last, repeats folded. Without `target`: the whole namespace.",
  args: z.strictObject({
    namespace: Namespace,
    target: Target.optional(),
    type: z.enum(["Normal", "Warning"]).optional().describe("only events of this type"),
  }),
  rbac: eventRules,
  async run({ namespace, target, type }, context): Promise<{ text: string; data: EventFacts[]; unseen: string[] }> {
    context.admit(kinds.event, namespace);
    const events = (await read()).filter((event) => type === undefined || event.type === type);
    const shown = events.slice(-mostShown);
    const title = `Events of ${target ?? "namespace"} in ${namespace}${type === undefined ? "" : `, type ${type}`}, newest last (${readAt(context.now)})`;
    const lines = [
      title,
      ...(events.length === 0 ? ["none: the API server keeps events for about an hour"] : []),
      ...(events.length > shown.length
        ? [`${events.length - shown.length} older ones left out; narrow with target or type`]
        : []),
      ...printEvents(shown, context.now),
    ];
    return {
      text: bounded(lines.join("\n"), context.maxBytes, "narrow with target or type"),
      data: events,
      unseen: [],
    };

    async function read(): Promise<EventFacts[]> {
      if (target === undefined) {
        const { items } = await context.read.list({ type: kinds.event, namespace, limit: mostEvents }, context.signal);
        return foldEvents(items);
      }
      const ref = await findRef(context, target, namespace);
      const object = await context.read.get(ref, context.signal);
      if (object !== null) return eventsAbout(context, object, await podsOf(context, object));
      // What is gone still has its events.
      const { items } = await context.read.list(
        { type: kinds.event, namespace, fieldSelector: `involvedObject.name=${ref.name}`, limit: mostEvents },
        context.signal,
      );
      return foldEvents(items);
    }
  },
});

const mostShown = 40;

import { stringify } from "yaml";
import { z } from "zod";
import { StewardError } from "../../shared/errors.ts";
import type { KubeObject, ObjectRef, ResourceType } from "../../shared/kube.ts";
import { redactObject } from "../../shared/redact.ts";
import type { Table } from "../edges.ts";
import { Namespace, Selector } from "./arguments.ts";
import { bounded, columns, readAt } from "./print.ts";
import { prune } from "./prune.ts";
import { defineTool, type ToolContext } from "./tool.ts";

const mostRows = 60;
/** More than are shown are read, so that what is not well can come first. */
const mostRead = 500;

export interface GetFacts {
  /** The one object; null for a list or when there is none. */
  object: KubeObject | null;
  /** Names of the objects found, in the order shown. */
  names: readonly string[];
}

export const kubectlGet = defineTool({
  description:
    "As `kubectl get`: the server's table of a kind, or of one object; or one object as pruned YAML with output=yaml. Any readable resource, custom ones too. Without a namespace: all.",
  args: z.strictObject({
    resource: z
      .string()
      .regex(/^[A-Za-z][\w.-]{0,120}$/, "is not a kind")
      .describe("kind, plural or short name, as pods, deploy, certificates.cert-manager.io"),
    name: z.string().min(1).max(253).optional(),
    namespace: Namespace.optional(),
    labelSelector: Selector.optional(),
    fieldSelector: Selector.optional(),
    output: z.enum(["table", "wide", "yaml"]).default("table"),
  }),
  rbac: [
    {
      apiGroups: [""],
      resources: [
        "pods",
        "services",
        "endpoints",
        "events",
        "nodes",
        "namespaces",
        "persistentvolumes",
        "persistentvolumeclaims",
        "replicationcontrollers",
        "resourcequotas",
        "limitranges",
        "serviceaccounts",
        "configmaps",
      ],
      verbs: ["get", "list"],
    },
    {
      apiGroups: ["apps"],
      resources: ["deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions"],
      verbs: ["get", "list"],
    },
    { apiGroups: ["batch"], resources: ["jobs", "cronjobs"], verbs: ["get", "list"] },
    { apiGroups: ["autoscaling"], resources: ["horizontalpodautoscalers"], verbs: ["get", "list"] },
    { apiGroups: ["policy"], resources: ["poddisruptionbudgets"], verbs: ["get", "list"] },
    { apiGroups: ["networking.k8s.io"], resources: ["ingresses", "networkpolicies"], verbs: ["get", "list"] },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["get", "list"] },
    { apiGroups: ["storage.k8s.io"], resources: ["storageclasses"], verbs: ["get", "list"] },
  ],
  async run(args, context): Promise<{ text: string; data: GetFacts; unseen: string[] }> {
    const { resource, name, output } = args;
    const type = await context.read.resolve(resource, context.signal);
    if (type === null) throw new StewardError("invalid", `the cluster serves no "${resource}"`, { path: "resource" });
    const namespace = type.namespaced ? (args.namespace ?? null) : null;
    context.admit(type, namespace);
    if (name !== undefined && type.namespaced && namespace === null) {
      throw new StewardError("invalid", `${type.resource} are in a namespace: name it`, { path: "namespace" });
    }
    if (output === "yaml") {
      if (name === undefined)
        throw new StewardError("invalid", "YAML is given of one object: name it", { path: "name" });
      return getOne({ type, namespace, name }, context);
    }
    return getTable(type, namespace, args, context);
  },
});

async function getOne(ref: ObjectRef, context: ToolContext) {
  const object = await context.read.get(ref, context.signal);
  const what = `${ref.type.kind} ${ref.namespace === null ? "" : `${ref.namespace}/`}${ref.name}`;
  if (object === null)
    return { text: `${what}: there is none (${readAt(context.now)})`, data: { object, names: [] }, unseen: [] };
  const yaml = stringify(ordered(prune(redactObject(object))), { lineWidth: 0 });
  const text = `${what} (${readAt(context.now)}; without bookkeeping, defaults and empty fields)\n${yaml.trimEnd()}`;
  return {
    text: bounded(text, context.maxBytes, "ask kubectl_describe for the deciding parts"),
    data: { object, names: [ref.name] },
    unseen: [],
  };
}

/** What is wanted before what is. */
function ordered(object: unknown): unknown {
  if (typeof object !== "object" || object === null) return object;
  const { apiVersion, kind, metadata, status, ...rest } = {
    apiVersion: undefined,
    kind: undefined,
    metadata: undefined,
    status: undefined,
    ...object,
  };
  return { apiVersion, kind, metadata, ...rest, ...(status === undefined ? {} : { status }) };
}

interface Selection {
  name?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  output: "table" | "wide" | "yaml";
}

async function getTable(
  type: ResourceType,
  namespace: string | null,
  { name, labelSelector, fieldSelector, output }: Selection,
  context: ToolContext,
) {
  const table = await context.read.table(
    {
      type,
      namespace,
      limit: mostRead,
      ...(name === undefined ? {} : { name }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    },
    context.signal,
  );
  const everywhere = type.namespaced && namespace === null;
  const open = everywhere ? table.rows.filter(([place = ""]) => context.isOpen(place)) : table.rows;
  const searched = [
    `${type.resource}${type.group === "" ? "" : `.${type.group}`}`,
    name === undefined ? null : `named ${name}`,
    type.namespaced ? (namespace === null ? "in all namespaces" : `in ${namespace}`) : null,
    labelSelector === undefined ? null : `with labels ${labelSelector}`,
    fieldSelector === undefined ? null : `with fields ${fieldSelector}`,
  ].filter((part) => part !== null);
  const title = `${searched.join(" ")} (${readAt(context.now)})`;
  if (open.length === 0) return { text: `${title}\nnone found`, data: { object: null, names: [] }, unseen: [] };
  const shown = sickFirst(table, open).slice(0, mostRows);
  const visible = table.columns.map(({ priority }) => output === "wide" || priority === 0);
  const pick = (row: readonly string[]) => row.filter((_, i) => visible[i] === true);
  const left = open.length - shown.length + table.remaining;
  const lines = [
    title,
    ...(left > 0
      ? [`${left} more left out, those that look healthy first; narrow with namespace, labelSelector or fieldSelector`]
      : []),
    ...columns([pick(table.columns.map((column) => column.name.toUpperCase())), ...shown.map(pick)]),
  ];
  return {
    text: bounded(lines.join("\n"), context.maxBytes, "narrow the selection"),
    data: { object: null, names: shown.map((row) => row[everywhere ? 1 : 0] ?? "") },
    unseen: [],
  };
}

/** Of more rows than fit, those that do not look well come first; a few rows stay in the server's order. */
function sickFirst({ columns: heads }: Table, rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  if (rows.length <= mostRows) return rows;
  const at = (name: string) => heads.findIndex((head) => head.name.toLowerCase() === name);
  const [status, ready, restarts] = [at("status"), at("ready"), at("restarts")];
  const well = (row: readonly string[]) =>
    (status === -1 || /^(?:Running|Completed|Succeeded|Active|Bound|Ready|Normal)$/.test(row[status] ?? "")) &&
    (ready === -1 || isFull(row[ready] ?? "")) &&
    (restarts === -1 || (row[restarts] ?? "0").startsWith("0"));
  return [...rows.filter((row) => !well(row)), ...rows.filter(well)];
}

function isFull(ready: string): boolean {
  const [have, want] = ready.split("/");
  return want === undefined || have === want;
}

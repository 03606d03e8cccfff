import { isDeepStrictEqual } from "node:util";
import type { ActionOf } from "../../shared/action.ts";
import { StewardError } from "../../shared/errors.ts";
import { controllerOf, field, type KubeObject, kinds, numberField } from "../../shared/kube.ts";
import type { ClusterReader } from "../edges.ts";
import { type ActionDef, opAnnotation, patchWorkloads, watchWorkloads } from "./definition.ts";
import { patchRequest, same } from "./patch.ts";
import { selectorText } from "./target.ts";
import { containersOf, named, refusePaused, rolloutIsCritical, templatePath } from "./workload.ts";

const revisionAnnotation = "deployment.kubernetes.io/revision";

/** Annotations of a Deployment that `kubectl rollout undo` leaves alone. Source: kubectl pkg/polymorphichelpers/rollback.go. */
const keptAnnotations = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  revisionAnnotation,
  "deployment.kubernetes.io/revision-history",
  "deployment.kubernetes.io/desired-replicas",
  "deployment.kubernetes.io/max-replicas",
  "deprecated.deployment.rollback.to",
]);

/** An earlier state of a workload's template. */
interface Revision {
  number: number;
  template: unknown;
  /** Of the ReplicaSet; empty for ControllerRevisions, whose undo leaves annotations alone. */
  annotations: Readonly<Record<string, string>>;
}

/** `kubectl rollout undo`: the template of an earlier ReplicaSet or ControllerRevision takes the place of the present one. */
export const rollback: ActionDef<ActionOf<"rollback">> = {
  rbac: {
    act: [patchWorkloads],
    read: [watchWorkloads, { apiGroups: ["apps"], resources: ["replicasets", "controllerrevisions"], verbs: ["list"] }],
  },
  summary({ target, toRevision }, { object }, locale) {
    const images = containersOf(object).map(({ container }) => String(field(container, "image")));
    const now = images.length === 1 ? ` (${images[0]})` : "";
    const to = toRevision === undefined ? { en: "the revision before", "zh-CN": "上一个版本" }[locale] : toRevision;
    return {
      en: `Roll ${target}${now} back to ${typeof to === "number" ? `revision ${to}` : to}`,
      "zh-CN": `将 ${target}${now} 回滚到${typeof to === "number" ? `版本 ${to}` : to}`,
    }[locale];
  },
  kubectl: ({ target, namespace, toRevision }) =>
    `kubectl rollout undo ${target}${toRevision === undefined ? "" : ` --to-revision=${toRevision}`} -n ${namespace}`,
  risk: (_, target) => (rolloutIsCritical(target) ? "critical" : "high"),
  overreach: () => null,

  async plan(action, { ref, object }, { read, op, signal }) {
    refusePaused(object, "roll back");
    const history = await revisionsOf(read, object, signal);
    const current = history.at(-1);
    const wanted =
      action.toRevision === undefined ? history.at(-2) : history.find(({ number }) => number === action.toRevision);
    if (wanted === undefined || current === undefined) {
      throw new StewardError("invalid", missing(object, action.toRevision, history), { path: "action.toRevision" });
    }
    if (isDeepStrictEqual(wanted.template, field(object, ...templatePath))) {
      throw new StewardError("invalid", `${named(object)} already is as revision ${wanted.number} was`, {
        path: "action.toRevision",
      });
    }
    const request = patchRequest(
      ref,
      object,
      op,
      [same(object, ...templatePath), { op: "replace", path: "/spec/template", value: wanted.template }],
      object.kind === "Deployment" ? annotationsBack(object, wanted) : {},
    );
    return {
      action: { ...action, toRevision: wanted.number },
      request,
      inverse: { ...action, toRevision: current.number },
      writes: [["f:spec", "f:template"]],
    };
  },
};

/** The kept revisions of a workload, oldest first; the last is the present one. */
async function revisionsOf(read: ClusterReader, object: KubeObject, signal?: AbortSignal): Promise<Revision[]> {
  const deployment = object.kind === "Deployment";
  const { items } = await read.list(
    {
      type: deployment ? kinds.replicaset : kinds.controllerrevision,
      namespace: object.metadata.namespace ?? null,
      labelSelector: selectorText(field(object, "spec", "selector")),
    },
    signal,
  );
  return items
    .filter((item) => controllerOf(item)?.uid === object.metadata.uid)
    .map(deployment ? ofReplicaSet : ofControllerRevision)
    .filter(({ number }) => number > 0)
    .sort((a, b) => a.number - b.number);
}

function ofReplicaSet(set: KubeObject): Revision {
  const annotations = set.metadata.annotations ?? {};
  return {
    number: Number(annotations[revisionAnnotation] ?? 0),
    template: withoutLabel(field(set, ...templatePath), "pod-template-hash"),
    annotations,
  };
}

function ofControllerRevision(revision: KubeObject): Revision {
  return {
    number: numberField(revision, "revision") ?? 0,
    template: without(field(revision, "data", ...templatePath), "$patch"),
    annotations: {},
  };
}

function withoutLabel(template: unknown, label: string): unknown {
  const metadata = field(template, "metadata");
  const labels = without(field(metadata, "labels"), label);
  return { ...asObject(template), metadata: { ...asObject(metadata), labels } };
}

function without(value: unknown, key: string): unknown {
  const { [key]: _, ...rest } = asObject(value);
  return rest;
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** kubectl puts the ReplicaSet's annotations in the place of the Deployment's, but for those it keeps. */
function annotationsBack(object: KubeObject, { annotations }: Revision): Record<string, string | null> {
  const present = object.metadata.annotations ?? {};
  const names = new Set([...Object.keys(present), ...Object.keys(annotations)]);
  const changed = [...names]
    .filter((name) => !keptAnnotations.has(name) && name !== opAnnotation && present[name] !== annotations[name])
    .map((name): [string, string | null] => [name, annotations[name] ?? null]);
  return Object.fromEntries(changed);
}

function missing(object: KubeObject, wanted: number | undefined, history: readonly Revision[]): string {
  if (wanted === undefined) return `${named(object)} has no earlier revision to roll back to`;
  const known = history.map(({ number }) => number).join(", ");
  return `${named(object)} has no revision ${wanted}; it has ${known === "" ? "none" : known}`;
}

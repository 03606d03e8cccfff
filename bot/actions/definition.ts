import type { Action } from "../../shared/action.ts";
import type { ClusterRequest, Risk } from "../../shared/approval.ts";
import type { KubeObject, ObjectRef } from "../../shared/kube.ts";
import type { Locale } from "../../shared/locale.ts";
import type { ClusterReader } from "../edges.ts";

/** One rule of a ClusterRole; the chart's roles are generated from these. */
export interface RbacRule {
  apiGroups: readonly string[];
  resources: readonly string[];
  verbs: readonly string[];
}

/** The live object an action is about, with what decides whether it may be touched. */
export interface Target {
  ref: ObjectRef;
  object: KubeObject;
  uid: string;
  /** Every owner that could be read, nearest first. */
  owners: readonly KubeObject[];
  /** The end of the chain of controllers, the object itself where there is none. */
  top: { kind: string; name: string };
  /** `namespace/kind/name` of `top`. */
  ownerKey: string;
  namespace: KubeObject | null;
  /** What of owners and namespace could not be read, as `namespace payment: forbidden`. Anything here counts as protected. */
  unreadable: readonly string[];
  /** The pods that the change would touch. */
  pods: readonly KubeObject[];
}

/** A path as managedFields writes it: `f:spec`, `k:{"name":"app"}`. */
export type FieldPath = readonly string[];

/** What an action comes to on the live object. */
export interface Plan<A extends Action> {
  /** The action with everything that was left open made definite (the revision of a rollback). */
  action: A;
  request: ClusterRequest;
  /** The action that restores what this one writes; null where nothing does. */
  inverse: Action | null;
  /** The fields of the specification it writes; none for what GitOps does not own (restart, delete). */
  writes: readonly FieldPath[];
}

interface PlanContext {
  read: ClusterReader;
  /** Goes into the object's annotation `steward.io/op`. */
  op: string;
  /** The time of a restart; fixed with the bytes. */
  at: Date;
  locale: Locale;
  signal?: AbortSignal;
}

/** Everything Steward knows of one kind of action. Adding a kind is one file of this shape and one line in index.ts. */
export interface ActionDef<A extends Action> {
  rbac: {
    /** For the acting identity. */
    act: readonly RbacRule[];
    /** For the reading identity, beyond the target itself. */
    read: readonly RbacRule[];
  };
  /** One sentence for people, with what is there now and what it becomes. */
  summary(action: A, target: Target, locale: Locale): string;
  /** A kubectl command that gives the same object. */
  kubectl(action: A): string;
  risk(action: A, target: Target): Risk;
  /**
   * The exact request and the way back. Throws `invalid` for what does not fit the live object (no such container, no such
   * revision, nothing would change) and `refused` for what is never done.
   */
  plan(action: A, target: Target, context: PlanContext): Promise<Plan<A>>;
  /** Whether an automatic run would go beyond what a rule may do alone: down, or up by more than twice (SPEC 8). */
  overreach(action: A, target: Target): "down" | "too_far" | "never" | null;
}

/** The annotation on the object's own metadata that names the operation which wrote it last. */
export const opAnnotation = "steward.io/op";

const workloadKinds = ["deployments", "statefulsets", "daemonsets"] as const;

/** What verification needs of any changed object: to look at it, and to hear of its changes. */
export const watchWorkloads: RbacRule = {
  apiGroups: ["apps"],
  resources: [...workloadKinds, "replicasets"],
  verbs: ["get", "watch"],
};

/** The rule for patching workloads, common to all kinds that change a template. */
export const patchWorkloads: RbacRule = { apiGroups: ["apps"], resources: [...workloadKinds], verbs: ["patch"] };

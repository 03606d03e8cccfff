import type { Action } from "../../shared/action.ts";
import { StewardError } from "../../shared/errors.ts";
import { type KindName, kinds, kindWritten, targetOf } from "../../shared/kube.ts";
import type { ClusterReader } from "../edges.ts";
import type { Wish } from "./phrases.ts";

/** Kinds that a name alone may mean. */
const workloads = ["deployment", "statefulset", "daemonset"] as const satisfies readonly KindName[];
const foundAtMost = 5;

/** The kubectl line that says what an action does: what one types to choose among several. */
export function lineFor(action: Action): string {
  const where = `-n ${action.namespace} ${action.target}`;
  switch (action.kind) {
    case "restart":
      return `kubectl rollout restart ${where}`;
    case "rollback":
      return `kubectl rollout undo ${where}`;
    case "scale":
      return `kubectl scale ${where} --replicas=${action.replicas}`;
    default:
      return where;
  }
}

/**
 * The actions that a wish in plain words may mean: one for each workload of that name, in the namespace that was said, else in the one it is
 * about (`near`) if it is there, else wherever it is. Throws `not_found` when nothing has the name, `not_understood` for a kind that has no such
 * action, and what reading throws.
 */
export async function findWished(read: ClusterReader, wish: Wish, near: string | null): Promise<readonly Action[]> {
  const [kindWord, name] = split(wish.object);
  const type = kindWord === null ? null : kindWritten(kindWord);
  if (kindWord !== null && !workloads.some((kind) => kinds[kind] === type)) {
    throw new StewardError("not_understood", `${kindWord}: is not a kind that can be changed here`, { path: kindWord });
  }
  const types = type === null ? workloads.map((kind) => kinds[kind]) : [type];
  const lists = await Promise.all(
    types.map(async (one) => {
      const query = { type: one, namespace: wish.namespace, fieldSelector: `metadata.name=${name}`, limit: 50 };
      const { items } = await read.list(query);
      return items.map(({ metadata }) => ({ target: targetOf(one.kind, name), namespace: metadata.namespace ?? "" }));
    }),
  );
  const all = lists.flat();
  const nearby = all.filter(({ namespace }) => namespace === near);
  const chosen = nearby.length > 0 ? nearby : all;
  if (chosen.length === 0) throw new StewardError("not_found", wish.object);
  return chosen.slice(0, foundAtMost).map(({ target, namespace }) => actionFor(wish, target, namespace));
}

function split(object: string): [kind: string | null, name: string] {
  const slash = object.indexOf("/");
  return slash < 0 ? [null, object] : [object.slice(0, slash), object.slice(slash + 1)];
}

function actionFor(wish: Wish, target: string, namespace: string): Action {
  return wish.kind === "scale"
    ? { kind: "scale", namespace, target, replicas: wish.replicas }
    : { kind: wish.kind, namespace, target };
}

import { StewardError } from "../../../shared/errors.ts";
import {
  apiVersionOf,
  isKubeObject,
  type KubeObject,
  listField,
  numberField,
  pathOf,
  type ResourceType,
  stringField,
} from "../../../shared/kube.ts";
import type { ListAnswer, ListQuery } from "../../edges.ts";
import type { Session } from "./session.ts";
import { parseJson, refusalError } from "./status.ts";

const pageSize = 500;

export function selectionOf({ labelSelector, fieldSelector }: Pick<ListQuery, "labelSelector" | "fieldSelector">) {
  return { labelSelector, fieldSelector };
}

/** The items of a list carry no kind of their own. */
export function readObject(value: unknown, type: ResourceType): KubeObject {
  const object =
    typeof value === "object" && value !== null ? { apiVersion: apiVersionOf(type), kind: type.kind, ...value } : value;
  if (!isKubeObject(object)) throw new StewardError("unavailable", `the API server's answer is not a ${type.kind}`);
  return object;
}

/** In pages, or one page when a limit is given. A page that is too old begins anew without pages. */
export async function listAll(session: Session, query: ListQuery, signal?: AbortSignal): Promise<ListAnswer> {
  const path = pathOf(query.type, query.namespace);
  const items: KubeObject[] = [];
  let next: string | undefined;
  let limit: number | undefined = query.limit ?? pageSize;
  for (;;) {
    const answer = await session.read(
      { method: "GET", path, query: { ...selectionOf(query), limit, continue: next } },
      signal,
    );
    if (!answer.ok && answer.refusal.status === 410 && next !== undefined) {
      items.length = 0;
      next = limit = undefined;
      continue;
    }
    if (!answer.ok) throw refusalError(answer.refusal);
    const page = parseJson(answer.body);
    for (const item of listField(page, "items")) items.push(readObject(item, query.type));
    next = stringField(page, "metadata", "continue") || undefined;
    if (next === undefined || query.limit !== undefined) {
      return {
        items,
        resourceVersion: stringField(page, "metadata", "resourceVersion") ?? "",
        remaining: next === undefined ? 0 : (numberField(page, "metadata", "remainingItemCount") ?? 1),
      };
    }
  }
}

/** Source: kubectl's own Accept header, cmd/get TransformRequests; older servers may answer without the table. */

/** Lists: consistent, exact and paged, with the tokens that carry a page on. */

import { goJsonError } from "./go-text.ts";
import { asNumber, asString, isObject } from "./json.ts";
import type { KubeObject } from "./object.ts";
import { badRequest, expired } from "./status.ts";
import { keyOf, type Store } from "./storage.ts";
import { checkRevision, revisionFault } from "./watch.ts";

export interface ListOptions {
  readonly storage: string;
  readonly namespace: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  readonly limit: number;
  readonly continue: string;
  readonly selective: boolean;
  readonly matches: (object: KubeObject) => boolean;
}

export interface Listed {
  readonly items: readonly KubeObject[];
  readonly metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
}

const continueExpired =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/** @throws ApiError 400 for a token beside a revision, 410 for a revision or token that is compacted, 504 for a future one */
export function list(store: Store, options: ListOptions): Listed {
  let revision = store.revision();
  let after = "";
  if (options.continue !== "") {
    if (options.resourceVersion !== "" && options.resourceVersion !== "0") {
      throw badRequest("specifying resource version is not allowed when using continue");
    }
    const token = readToken(options.continue);
    revision = token.revision;
    after = token.start;
  } else {
    if (options.resourceVersion !== "" && !/^\d+$/.test(options.resourceVersion)) {
      throw badRequest(`invalid resource version: ${revisionFault(options.resourceVersion)}`);
    }
    checkRevision(store, options.resourceVersion);
    if (options.resourceVersionMatch === "Exact") revision = Number(options.resourceVersion);
  }
  const all = store.snapshot(revision, options.storage, options.namespace);
  if (!all)
    throw expired(options.continue === "" ? "The resourceVersion for the provided list is too old." : continueExpired);
  const matching = all.filter((object) => (after === "" || keyOf(object) > after) && options.matches(object));
  const items = options.limit > 0 ? matching.slice(0, options.limit) : matching;
  const last = items.at(-1);
  const remaining = matching.length - items.length;
  return {
    items,
    metadata: {
      resourceVersion: String(revision),
      ...(remaining > 0 && last ? { continue: writeToken(revision, keyOf(last)) } : {}),
      ...(remaining > 0 && !options.selective ? { remainingItemCount: remaining } : {}),
    },
  };
}

function writeToken(revision: number, start: string): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start })).toString("base64url");
}

function readToken(text: string): { revision: number; start: string } {
  const json = Buffer.from(text, "base64url").toString("latin1");
  try {
    const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (isObject(value) && value["v"] === "meta.k8s.io/v1") {
      return { revision: asNumber(value["rv"]), start: asString(value["start"]) };
    }
  } catch {
    const first = json[0] ?? "";
    const why = goJsonError(first, new Error("Unexpected token at position 0"));
    throw badRequest(`invalid continue token: continue key is not valid: ${why}`);
  }
  throw badRequest("invalid continue token: continue key is not valid: server does not recognize this encoded version");
}

import { StewardError } from "../../../shared/errors.ts";
import { kindWritten, listField, type ResourceType, stringField } from "../../../shared/kube.ts";
import type { Clock, Log } from "../../edges.ts";
import { abortable, type Session } from "./session.ts";

export interface Discovery {
  resolve(word: string, signal?: AbortSignal): Promise<ResourceType | null>;
}

interface Served {
  type: ResourceType;
  /** Everything a person may call it by, in lower case. */
  names: readonly string[];
}

const freshMs = 10 * 60_000;
/** An unknown word asks the server again, for a kind installed since, but not at every question. */
const retryMs = 30_000;

/**
 * What the server serves, by the names kubectl knows. The built-in kinds need no question.
 * Order of preference as kubectl's: core first, then the server's order of groups, the preferred version of each.
 */
export function createDiscovery(session: Session, clock: Clock, log: Log): Discovery {
  let served: Promise<readonly Served[]> | null = null;
  let readAt = 0;

  return {
    async resolve(word, signal) {
      const builtin = kindWritten(word);
      if (builtin !== null) return builtin;
      const [name = "", qualifier] = splitAtDot(word.toLowerCase());
      const wait = (reading: Promise<readonly Served[]>) =>
        signal === undefined ? reading : abortable(reading, signal);
      const found = find(await wait(resources(freshMs)), name, qualifier);
      return found ?? find(await wait(resources(retryMs)), name, qualifier);
    },
  };

  /** One reading serves all who ask meanwhile, so nobody's signal stops it. */
  function resources(maxAgeMs: number): Promise<readonly Served[]> {
    const now = clock.now().getTime();
    if (served !== null && now - readAt < maxAgeMs) return served;
    readAt = now;
    const reading = discover();
    served = reading;
    reading.catch(() => {
      if (served === reading) served = null;
    });
    return reading;
  }

  async function discover(): Promise<Served[]> {
    const groups = await session.readJson({ method: "GET", path: "/apis" });
    const versions = listField(groups, "groups").flatMap((group) => {
      const preferred = stringField(group, "preferredVersion", "groupVersion");
      return preferred === undefined ? [] : [preferred];
    });
    const parts = await Promise.all(["v1", ...versions].map((version) => resourcesOf(version)));
    return parts.flat();
  }

  /** One aggregated API that is down must not hide all others. */
  async function resourcesOf(groupVersion: string): Promise<Served[]> {
    try {
      const path = groupVersion === "v1" ? "/api/v1" : `/apis/${groupVersion}`;
      const list = await session.readJson({ method: "GET", path });
      return listField(list, "resources").flatMap((entry) => readServed(entry, groupVersion));
    } catch (error) {
      if (!(error instanceof StewardError) || groupVersion === "v1") throw error;
      log.warn("an API group cannot be discovered", { groupVersion, reason: error.message });
      return [];
    }
  }
}

function readServed(entry: unknown, groupVersion: string): Served[] {
  const resource = stringField(entry, "name");
  const kind = stringField(entry, "kind");
  if (resource === undefined || kind === undefined || resource.includes("/")) return [];
  const slash = groupVersion.indexOf("/");
  const group = stringField(entry, "group") ?? groupVersion.slice(0, Math.max(0, slash));
  const version = stringField(entry, "version") ?? groupVersion.slice(slash + 1);
  const singular = stringField(entry, "singularName") ?? "";
  const short = listField(entry, "shortNames").filter((name) => typeof name === "string");
  const names = [resource, singular, kind, ...short].filter((name) => name !== "").map((name) => name.toLowerCase());
  const namespaced = typeof entry === "object" && entry !== null && "namespaced" in entry && entry.namespaced === true;
  return [{ type: { group, version, resource, kind, namespaced }, names }];
}

function find(served: readonly Served[], name: string, qualifier: string | undefined): ResourceType | null {
  const fits = ({ group, version }: ResourceType) =>
    qualifier === undefined ||
    qualifier === group ||
    qualifier === `${version}.${group}` ||
    (group === "" && qualifier === version);
  return served.find(({ type, names }) => names.includes(name) && fits(type))?.type ?? null;
}

function splitAtDot(word: string): [string, string | undefined] {
  const dot = word.indexOf(".");
  return dot === -1 ? [word, undefined] : [word.slice(0, dot), word.slice(dot + 1)];
}

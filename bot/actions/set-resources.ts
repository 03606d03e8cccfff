import type { ActionOf } from "../../shared/action.ts";
import { StewardError } from "../../shared/errors.ts";
import { field, type KubeObject, parseQuantity, stringField } from "../../shared/kube.ts";
import type { Locale } from "../../shared/locale.ts";
import { type ActionDef, type FieldPath, patchWorkloads, watchWorkloads } from "./definition.ts";
import { patchRequest, same, setEntries } from "./patch.ts";
import { containerNamed, containerPath, named, refusePaused, rolloutIsCritical } from "./workload.ts";

type SetResources = ActionOf<"setResources">;
type Bound = "requests" | "limits";
type Resource = "cpu" | "memory";

interface Change {
  bound: Bound;
  resource: Resource;
  from: string | null;
  /** null removes the entry. */
  to: string | null;
}

/** `kubectl set resources`, for one container: named entries are set, all others stay. */
export const setResources: ActionDef<SetResources> = {
  rbac: { act: [patchWorkloads], read: [watchWorkloads] },
  summary(action, { object }, locale) {
    const changes = changesOf(action, object);
    const only = changes[0];
    const where = action.target;
    if (changes.length === 1 && only !== undefined && only.from !== null && only.to !== null)
      return sentence(only, where, locale);
    const list = changes.map(({ bound, resource, from, to }) => `${bound}.${resource} ${from ?? "–"} → ${to ?? "–"}`);
    return {
      en: `Set ${list.join(", ")} for container ${action.container} in ${where}`,
      "zh-CN": `调整 ${where} 中容器 ${action.container} 的资源：${list.join("，")}`,
    }[locale];
  },
  kubectl(action) {
    const { target, namespace, container, requests, limits } = action;
    const flag = (bound: Bound, map: SetResources[Bound]) =>
      map === undefined
        ? ""
        : ` --${bound}=${Object.entries(map).flatMap(([key, to]) => (to === null ? [] : `${key}=${to}`))}`;
    const removed = [requests, limits].some((map) => Object.values(map ?? {}).includes(null));
    if (!removed) {
      return `kubectl set resources ${target} -c ${container}${flag("requests", requests)}${flag("limits", limits)} -n ${namespace}`;
    }
    // `kubectl set resources` cannot take an entry away; a strategic merge patch does, by null.
    const patch = {
      spec: {
        template: {
          spec: {
            containers: [
              {
                name: container,
                resources: {
                  ...(requests === undefined ? {} : { requests }),
                  ...(limits === undefined ? {} : { limits }),
                },
              },
            ],
          },
        },
      },
    };
    return `kubectl patch ${target} -n ${namespace} --type=strategic -p '${JSON.stringify(patch)}'`;
  },
  risk(action, target) {
    const lowers = changesOf(action, target.object).some((change) => directionOf(change) === "down");
    return lowers || rolloutIsCritical(target) ? "critical" : "high";
  },
  overreach(action, { object }) {
    const found = changesOf(action, object).map(directionOf);
    if (found.includes("down")) return "down";
    return found.includes("too_far") ? "too_far" : null;
  },

  async plan(action, { ref, object }, { op }) {
    refusePaused(object, "update");
    const place = containerNamed(object, action.container);
    const changes = changesOf(action, object);
    if (changes.every(({ from, to }) => from === to)) {
      throw new StewardError(
        "invalid",
        `container ${action.container} of ${named(object)} already has these resources`,
        {
          path: "action",
        },
      );
    }
    const path = containerPath(place);
    const bounds = (["requests", "limits"] as const).filter((bound) => action[bound] !== undefined);
    const present = field(place.container, "resources") !== undefined;
    const changed = present
      ? bounds.flatMap((bound) => setEntries(object, [...path, "resources", bound], action[bound] ?? {}))
      : setEntries(
          object,
          [...path, "resources"],
          Object.fromEntries(bounds.map((bound) => [bound, kept(action[bound])])),
        );
    const request = patchRequest(ref, object, op, [same(object, ...path, "name"), ...changed]);
    const key = `k:${JSON.stringify({ name: action.container })}`;
    const owned = (bound: Bound, resource: Resource): FieldPath => [
      ...["f:spec", "f:template", "f:spec", "f:containers", key, "f:resources", `f:${bound}`, `f:${resource}`],
    ];
    return {
      action,
      request,
      inverse: inverseOf(action, changes),
      writes: changes.map(({ bound, resource }) => owned(bound, resource)),
    };
  },
};

function changesOf(action: SetResources, object: KubeObject): Change[] {
  const { container } = containerNamed(object, action.container);
  return (["requests", "limits"] as const).flatMap((bound) =>
    (["cpu", "memory"] as const).flatMap((resource): Change[] => {
      const to = action[bound]?.[resource];
      if (to === undefined) return [];
      return [{ bound, resource, from: stringField(container, "resources", bound, resource) ?? null, to }];
    }),
  );
}

/** No limit is the highest limit; no request the lowest request. */
function directionOf({ bound, from, to }: Change): "up" | "down" | "too_far" {
  const none = bound === "limits" ? Number.POSITIVE_INFINITY : 0;
  const before = from === null ? none : (parseQuantity(from) ?? none);
  const after = to === null ? none : (parseQuantity(to) ?? none);
  if (after < before) return "down";
  return after > 2 * before ? "too_far" : "up";
}

function inverseOf({ kind, namespace, target, container }: SetResources, changes: readonly Change[]): SetResources {
  const back = (wanted: Bound) => {
    const entries = changes.filter(({ bound }) => bound === wanted).map(({ resource, from }) => [resource, from]);
    return entries.length === 0 ? {} : { [wanted]: Object.fromEntries(entries) };
  };
  return { kind, namespace, target, container, ...back("requests"), ...back("limits") };
}

function kept(map: SetResources[Bound]): Record<string, string> {
  return Object.fromEntries(Object.entries(map ?? {}).flatMap(([key, to]) => (to === null ? [] : [[key, to]])));
}

const nouns: Readonly<Record<Bound, Readonly<Record<Resource, Readonly<Record<Locale, string>>>>>> = {
  limits: {
    cpu: { en: "CPU limit", "zh-CN": "CPU 上限" },
    memory: { en: "memory limit", "zh-CN": "内存上限" },
  },
  requests: {
    cpu: { en: "CPU request", "zh-CN": "CPU 请求量" },
    memory: { en: "memory request", "zh-CN": "内存请求量" },
  },
};

function sentence(change: Change, target: string, locale: Locale): string {
  const up = directionOf(change) !== "down";
  const noun = nouns[change.bound][change.resource][locale];
  return {
    en: `${up ? "Raise" : "Lower"} the ${noun} of ${target} from ${change.from} to ${change.to}`,
    "zh-CN": `将 ${target} 的${noun}由 ${change.from} ${up ? "提高" : "降低"}到 ${change.to}`,
  }[locale];
}

/** Written by machines for machines, or repeated elsewhere. */
const noise = new Set([
  "managedFields",
  "uid",
  "resourceVersion",
  "selfLink",
  "generation",
  "ownerReferences",
  "observedGeneration",
]);
const noisyAnnotations = /last-applied-configuration$|^deployment\.kubernetes\.io\/(?:desired|max)-replicas$/;

/** What the API server fills in when nothing is said. Source: k8s.io/kubernetes pkg/apis/core/v1/defaults.go and apps/v1. */
const defaults: Readonly<Record<string, unknown>> = {
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
  dnsPolicy: "ClusterFirst",
  schedulerName: "default-scheduler",
  enableServiceLinks: true,
  preemptionPolicy: "PreemptLowerPriority",
  terminationGracePeriodSeconds: 30,
  imagePullPolicy: "IfNotPresent",
  restartPolicy: "Always",
  protocol: "TCP",
  successThreshold: 1,
  scheme: "HTTP",
  sessionAffinity: "None",
  internalTrafficPolicy: "Cluster",
  ipFamilyPolicy: "SingleStack",
  revisionHistoryLimit: 10,
  defaultMode: 420,
  priority: 0,
};

/** An object without what nobody decides by: bookkeeping, defaults, and what is empty. */
export function prune(value: unknown): unknown {
  return pruned(value, null) ?? {};
}

function pruned(value: unknown, name: string | null): unknown {
  if (value === null || value === undefined || value === "") return undefined;
  if (Array.isArray(value)) {
    const kept = value.map((entry) => pruned(entry, null)).filter((entry) => entry !== undefined);
    return kept.length === 0 ? undefined : kept;
  }
  if (typeof value !== "object")
    return name !== null && Object.hasOwn(defaults, name) && defaults[name] === value ? undefined : value;
  const kept = Object.entries(value).flatMap(([key, entry]): [string, unknown][] => {
    if (noise.has(key) || (name === "annotations" && noisyAnnotations.test(key))) return [];
    const child = pruned(entry, key);
    return child === undefined ? [] : [[key, child]];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

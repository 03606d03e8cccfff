import { labelOf } from "../../shared/matcher.ts";

/** The object that an alert's labels name. Whether it is there, and who owns it, only the cluster knows. */
export interface Subject {
  kind: string;
  namespace: string | null;
  name: string;
}

type Labels = Readonly<Record<string, string>>;

/** Labels of kube-state-metrics that name exactly one kind, the most telling first. Source: kubernetes-mixin, field.md 4.3. */
const namespaced: readonly (readonly [label: string, kind: string])[] = [
  ["deployment", "Deployment"],
  ["statefulset", "StatefulSet"],
  ["daemonset", "DaemonSet"],
  ["cronjob", "CronJob"],
  ["job_name", "Job"],
  ["replicaset", "ReplicaSet"],
  ["horizontalpodautoscaler", "HorizontalPodAutoscaler"],
  ["poddisruptionbudget", "PodDisruptionBudget"],
  ["persistentvolumeclaim", "PersistentVolumeClaim"],
  ["resourcequota", "ResourceQuota"],
];

/** Scrape jobs whose targets are the nodes themselves. */
const nodeJobs = new Set(["node-exporter", "kubelet"]);

/**
 * What an alert is about, by its labels; null when it names no object. The labels of the exporter that measured it (its own pod, service and
 * namespace) are told apart from those of what was measured.
 */
export function subjectOf(labels: Labels): Subject | null {
  // Without honorLabels the exporter's names come first and what it measured is called `exported_…`.
  const exported = labelOf(labels, "exported_namespace") !== "";
  const value = (label: string) => (exported && labelOf(labels, `exported_${label}`)) || labelOf(labels, label);
  const namespace = value("namespace");

  if (namespace !== "") {
    for (const [label, kind] of namespaced) {
      const name = value(label);
      if (name !== "") return { kind, namespace, name };
    }
  }
  const volume = value("persistentvolume");
  if (volume !== "") return { kind: "PersistentVolume", namespace: null, name: volume };

  const pod = value("pod");
  const node = value("node") || value("nodename");
  const job = labelOf(labels, "job");
  if (pod !== "" && namespace !== "" && !(isExporterPod(labels, pod) && (node !== "" || job === "node-exporter"))) {
    return { kind: "Pod", namespace, name: pod };
  }
  const instance = labelOf(labels, "instance").replace(/:\d+$/, "");
  const host = node || (nodeJobs.has(job) ? instance : "");
  if (host !== "") return { kind: "Node", namespace: null, name: host };

  const service = value("service");
  return service !== "" && namespace !== "" ? { kind: "Service", namespace, name: service } : null;
}

/** Whether `pod` is who measured, not what was measured. A pod's own series carries its `uid`. */
function isExporterPod(labels: Labels, pod: string): boolean {
  const job = labelOf(labels, "job");
  return job !== "" && pod.includes(job) && labelOf(labels, "uid") === "";
}

/** Characters of the random parts of names: no vowels, nothing that is mistaken for another. Source: apimachinery rand.SafeEncodeString. */
const drawn = "[bcdfghjklmnpqrstvwxz2456789]";
const ofDeployment = new RegExp(`^(.+)-${drawn}{6,10}-${drawn}{5}$`);
const ofCronJob = new RegExp(`^(.+)-\\d{8,10}-${drawn}{5}$`);
const ofStatefulSet = /^(.+)-\d{1,4}$/;
const ofOther = new RegExp(`^(.+)-${drawn}{5}$`);

/** The likely owner of a pod, by how controllers name theirs; anything else stands for itself. */
export function likelyOwner(subject: Subject): Subject {
  if (subject.kind !== "Pod") return subject;
  const rules: readonly (readonly [RegExp, string])[] = [
    [ofCronJob, "CronJob"],
    [ofDeployment, "Deployment"],
    [ofStatefulSet, "StatefulSet"],
    [ofOther, "DaemonSet"],
  ];
  for (const [pattern, kind] of rules) {
    const name = pattern.exec(subject.name)?.[1];
    if (name !== undefined) return { kind, namespace: subject.namespace, name };
  }
  return subject;
}

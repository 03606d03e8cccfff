/** Validation of the mistakes people make, in the real server's words. What is not checked here is accepted. */
import { asList, asObject, asString, at, equal, isObject, type JsonObject } from "./json.ts";
import type { KubeObject, LabelSelector } from "./object.ts";
import { compareQuantities, parseQuantity } from "./quantity.ts";
import type { Resource } from "./registry/kinds.ts";
import { selects } from "./selectors.ts";
import type { FieldError } from "./status.ts";

type Report = (error: FieldError) => void;

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const dnsLabelWords =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const dns1035Words =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const dnsSubdomainWords =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelValueWords =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const qualifiedNameWords =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/** All faults of an object; empty when it may be stored. `old` is undefined on create. */
export function validate(resource: Resource, object: KubeObject, old: KubeObject | undefined, sub = ""): FieldError[] {
  const errors: FieldError[] = [];
  const report: Report = (error) => errors.push(error);
  metadata(resource, object, old, report);
  if (sub === "status") return errors;
  if (resource.custom) return errors;
  const spec = asObject(object["spec"]);
  switch (resource.kind) {
    case "Pod":
      if (old) podUpdate(spec, asObject(old["spec"]), report);
      else podSpec(spec, "spec", report, { restart: ["Always", "OnFailure", "Never"] });
      break;
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
    case "DaemonSet":
      workload(resource.kind, spec, old && asObject(old["spec"]), report);
      break;
    case "Job":
      if (old) immutable(spec, asObject(old["spec"]), ["selector", "completionMode"], "spec", report);
      jobSpec(spec, "spec", report);
      break;
    case "CronJob":
      if (!asString(spec["schedule"])) report({ type: "Required", field: "spec.schedule", detail: "" });
      jobSpec(asObject(at(spec, "jobTemplate", "spec")), "spec.jobTemplate.spec", report);
      break;
    case "Service":
      service(spec, old && asObject(old["spec"]), report);
      break;
    case "ConfigMap":
    case "Secret":
      if (
        old?.["immutable"] === true &&
        !equal([old["data"], old["binaryData"]], [object["data"], object["binaryData"]])
      ) {
        report({ type: "Forbidden", field: "data", detail: "field is immutable when `immutable` is set" });
      }
      if (resource.kind === "Secret" && old && old["type"] !== object["type"])
        immutableField("type", object["type"], report);
      break;
    case "PodDisruptionBudget":
      if (spec["minAvailable"] !== undefined && spec["maxUnavailable"] !== undefined) {
        report({
          type: "Invalid",
          field: "spec",
          value: "<spec>",
          detail: "minAvailable and maxUnavailable cannot be both set",
        });
      }
      break;
    case "RoleBinding":
    case "ClusterRoleBinding":
      if (old && !equal(old["roleRef"], object["roleRef"])) {
        report({ type: "Invalid", field: "roleRef", value: object["roleRef"], detail: "cannot change roleRef" });
      }
      if (!at(object, "roleRef", "name")) report({ type: "Required", field: "roleRef.name", detail: "" });
      break;
    case "HorizontalPodAutoscaler": {
      const max = spec["maxReplicas"];
      const min = spec["minReplicas"];
      if (typeof max === "number" && max < 1) {
        report({ type: "Invalid", field: "spec.maxReplicas", value: max, detail: "must be greater than 0" });
      }
      if (typeof max === "number" && typeof min === "number" && max < min) {
        report({
          type: "Invalid",
          field: "spec.maxReplicas",
          value: max,
          detail: "must be greater than or equal to `minReplicas`",
        });
      }
      break;
    }
    case "PersistentVolumeClaim":
      if (asList(spec["accessModes"]).length === 0) {
        report({ type: "Required", field: "spec.accessModes", detail: "at least 1 access mode is required" });
      }
      if (!at(spec, "resources", "requests", "storage")) {
        report({ type: "Required", field: "spec.resources[storage]", detail: "" });
      }
      break;
  }
  return errors;
}

function metadata(resource: Resource, object: KubeObject, old: KubeObject | undefined, report: Report): void {
  const { metadata: meta } = object;
  if (old) {
    if (meta.uid !== old.metadata.uid) {
      // The real server checks this in two places and says it twice.
      for (let times = 0; times < 2; times += 1) immutableField("metadata.uid", meta.uid, report);
    }
    const extra = (meta.finalizers ?? []).filter((name) => !old.metadata.finalizers?.includes(name));
    if (old.metadata.deletionTimestamp && extra.length > 0) {
      const list = `[]string{${extra
        .toSorted()
        .map((name) => JSON.stringify(name))
        .join(", ")}}`;
      const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`;
      report({ type: "Forbidden", field: "metadata.finalizers", detail });
    }
  } else if (meta.name === "") {
    report({ type: "Required", field: "metadata.name", detail: "name or generateName is required" });
  } else {
    nameFormat(resource, meta.name, report);
  }
  labels(meta.labels, "metadata.labels", report);
  for (const key of Object.keys(meta.annotations ?? {}))
    qualifiedName(key.toLowerCase(), "metadata.annotations", key, report);
}

function nameFormat(resource: Resource, name: string, report: Report): void {
  const bad = (detail: string) => report({ type: "Invalid", field: "metadata.name", value: name, detail });
  if (resource.group === "rbac.authorization.k8s.io") {
    if (/[/%]/.test(name)) bad(`may not contain '${/[/%]/.exec(name)?.[0]}'`);
    return;
  }
  if (resource.kind === "Service") {
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name)) bad(dns1035Words);
    if (name.length > 63) bad("must be no more than 63 bytes");
    return;
  }
  if (resource.kind === "Namespace" || resource.kind === "StatefulSet") {
    if (!dnsLabel.test(name)) bad(dnsLabelWords);
    if (name.length > 63) bad("must be no more than 63 bytes");
    return;
  }
  if (!dnsSubdomain.test(name)) bad(dnsSubdomainWords);
  if (name.length > 253) bad("must be no more than 253 bytes");
  if (resource.kind === "CronJob" && name.length > 52) bad("must be no more than 52 characters");
}

function qualifiedName(key: string, field: string, shown: string, report: Report): void {
  const parts = key.split("/");
  const name = parts.at(-1) ?? "";
  const bad = (detail: string) => report({ type: "Invalid", field, value: shown, detail });
  if (parts.length > 2)
    bad(
      "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    );
  else if (parts.length === 2 && !dnsSubdomain.test(parts[0] ?? "")) bad(`prefix part ${dnsSubdomainWords}`);
  if (name === "") bad("name part must be non-empty");
  else if (name.length > 63) bad("name part must be no more than 63 bytes");
  else if (!/^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/.test(name)) bad(qualifiedNameWords);
}

function labels(values: unknown, field: string, report: Report): void {
  for (const [key, value] of Object.entries(asObject(values))) {
    qualifiedName(key, field, key, report);
    const text = asString(value);
    if (text.length > 63) report({ type: "Invalid", field, value: text, detail: "must be no more than 63 bytes" });
    else if (!/^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/.test(text)) {
      report({ type: "Invalid", field, value: text, detail: labelValueWords });
    }
  }
}

function nonNegative(value: unknown, field: string, report: Report): void {
  if (typeof value === "number" && value < 0) {
    report({ type: "Invalid", field, value, detail: "must be greater than or equal to 0" });
  }
}

function immutableField(field: string, value: unknown, report: Report): void {
  report({ type: "Invalid", field, value, detail: "field is immutable" });
}

function immutable(spec: JsonObject, old: JsonObject, keys: readonly string[], path: string, report: Report): void {
  for (const key of keys) if (!equal(spec[key], old[key])) immutableField(`${path}.${key}`, spec[key], report);
}

const stsMutable = [
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
];

function workload(kind: string, spec: JsonObject, old: JsonObject | undefined, report: Report): void {
  nonNegative(spec["replicas"], "spec.replicas", report);
  nonNegative(spec["minReadySeconds"], "spec.minReadySeconds", report);
  nonNegative(spec["revisionHistoryLimit"], "spec.revisionHistoryLimit", report);
  nonNegative(spec["progressDeadlineSeconds"], "spec.progressDeadlineSeconds", report);
  const selector = spec["selector"];
  const template = asObject(spec["template"]);
  const templateLabels = asObject(at(template, "metadata", "labels"));
  if (!isObject(selector)) report({ type: "Required", field: "spec.selector", detail: "" });
  else if (Object.keys(selector).length === 0) {
    report({
      type: "Invalid",
      field: "spec.selector",
      value: {},
      detail: `empty selector is invalid for ${kind.toLowerCase()}`,
    });
  }
  if (!selects(selector as LabelSelector | null, templateLabels as Record<string, string>)) {
    report({
      type: "Invalid",
      field: "spec.template.metadata.labels",
      value: at(template, "metadata", "labels") ?? null,
      detail: "`selector` does not match template `labels`",
    });
  }
  labels(templateLabels, "spec.template.metadata.labels", report);
  podSpec(asObject(template["spec"]), "spec.template.spec", report, { restart: ["Always"] });
  const rolling = asObject(at(spec, "strategy", "rollingUpdate"));
  if (kind === "Deployment") {
    const type = at(spec, "strategy", "type");
    if (type !== "RollingUpdate" && type !== "Recreate") {
      report({
        type: "NotSupported",
        field: "spec.strategy.type",
        value: type,
        detail: 'supported values: "Recreate", "RollingUpdate"',
      });
    }
    if (type === "Recreate" && at(spec, "strategy", "rollingUpdate")) {
      report({
        type: "Forbidden",
        field: "spec.strategy.rollingUpdate",
        detail: "may not be specified when strategy `type` is 'Recreate'",
      });
    }
    if (isZero(rolling["maxUnavailable"]) && isZero(rolling["maxSurge"])) {
      report({
        type: "Invalid",
        field: "spec.strategy.rollingUpdate.maxUnavailable",
        value: rolling["maxUnavailable"],
        detail: "may not be 0 when `maxSurge` is 0",
      });
    }
    const deadline = spec["progressDeadlineSeconds"];
    const ready = spec["minReadySeconds"] ?? 0;
    if (typeof deadline === "number" && typeof ready === "number" && deadline <= ready) {
      report({
        type: "Invalid",
        field: "spec.progressDeadlineSeconds",
        value: deadline,
        detail: "must be greater than minReadySeconds",
      });
    }
  }
  if (!old) return;
  if (kind === "StatefulSet") {
    const rest = (object: JsonObject) =>
      Object.fromEntries(Object.entries(object).filter(([key]) => !stsMutable.includes(key)));
    if (!equal(rest(spec), rest(old))) {
      report({
        type: "Forbidden",
        field: "spec",
        detail:
          "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
      });
    }
  } else if (!equal(selector, old["selector"])) immutableField("spec.selector", selector, report);
}

function isZero(value: unknown): boolean {
  return value === 0 || value === "0%";
}

function jobSpec(spec: JsonObject, path: string, report: Report): void {
  nonNegative(spec["parallelism"], `${path}.parallelism`, report);
  nonNegative(spec["completions"], `${path}.completions`, report);
  nonNegative(spec["backoffLimit"], `${path}.backoffLimit`, report);
  const pod = asObject(at(spec, "template", "spec"));
  podSpec(pod, `${path}.template.spec`, report, { restart: ["OnFailure", "Never"] });
}

function podSpec(spec: JsonObject, path: string, report: Report, rules: { restart: readonly string[] }): void {
  const containers = asList(spec["containers"]);
  if (containers.length === 0) report({ type: "Required", field: `${path}.containers`, detail: "" });
  const volumes = new Set(asList(spec["volumes"]).map((volume) => asObject(volume)["name"]));
  const seen = new Set<string>();
  for (const key of ["containers", "initContainers"]) {
    asList(spec[key]).forEach((item, i) => {
      const field = `${path}.${key}[${i}]`;
      const container = asObject(item);
      const name = asString(container["name"]);
      if (name === "") report({ type: "Required", field: `${field}.name`, detail: "" });
      else if (!dnsLabel.test(name))
        report({ type: "Invalid", field: `${field}.name`, value: name, detail: dnsLabelWords });
      else if (seen.has(name)) report({ type: "Duplicate", field: `${field}.name`, value: name, detail: "" });
      seen.add(name);
      if (asString(container["image"]) === "") report({ type: "Required", field: `${field}.image`, detail: "" });
      else if (asString(container["image"]).trim() !== container["image"]) {
        report({
          type: "Invalid",
          field: `${field}.image`,
          value: container["image"],
          detail: "must not have leading or trailing whitespace",
        });
      }
      const policy = container["imagePullPolicy"];
      if (policy !== undefined && !["Always", "IfNotPresent", "Never"].includes(asString(policy))) {
        report({
          type: "NotSupported",
          field: `${field}.imagePullPolicy`,
          value: policy,
          detail: 'supported values: "Always", "IfNotPresent", "Never"',
        });
      }
      resources(asObject(container["resources"]), `${field}.resources`, report);
      ports(asList(container["ports"]), `${field}.ports`, report);
      asList(container["env"]).forEach((variable, j) => {
        if (!asString(asObject(variable)["name"]))
          report({ type: "Required", field: `${field}.env[${j}].name`, detail: "" });
      });
      asList(container["volumeMounts"]).forEach((mount, j) => {
        const volume = asObject(mount)["name"];
        if (!volumes.has(volume))
          report({ type: "NotFound", field: `${field}.volumeMounts[${j}].name`, value: volume, detail: "" });
      });
    });
  }
  const restart = asString(spec["restartPolicy"]);
  if (!rules.restart.includes(restart)) {
    if (rules.restart.includes("Never") && !rules.restart.includes("Always")) {
      report({
        type: restart === "Always" ? "NotSupported" : "NotSupported",
        field: `${path}.restartPolicy`,
        value: restart,
        detail: 'supported values: "OnFailure", "Never"',
      });
    } else {
      report({
        type: "NotSupported",
        field: `${path}.restartPolicy`,
        value: restart,
        detail: `supported values: ${rules.restart.map((r) => `"${r}"`).join(", ")}`,
      });
    }
  }
  nonNegative(spec["terminationGracePeriodSeconds"], `${path}.terminationGracePeriodSeconds`, report);
}

function ports(list: readonly unknown[], path: string, report: Report): void {
  list.map(asObject).forEach((port, i) => {
    const number = port["containerPort"];
    if (number === 0 || number === undefined)
      report({ type: "Required", field: `${path}[${i}].containerPort`, detail: "" });
    else if (typeof number === "number" && (number < 1 || number > 65535)) {
      report({
        type: "Invalid",
        field: `${path}[${i}].containerPort`,
        value: number,
        detail: "must be between 1 and 65535, inclusive",
      });
    }
    const protocol = port["protocol"];
    if (!["TCP", "UDP", "SCTP"].includes(asString(protocol))) {
      report({
        type: "NotSupported",
        field: `${path}[${i}].protocol`,
        value: protocol,
        detail: 'supported values: "SCTP", "TCP", "UDP"',
      });
    }
  });
}

function resources(value: JsonObject, path: string, report: Report): void {
  const limits = asObject(value["limits"]);
  const requests = asObject(value["requests"]);
  for (const [side, list] of [
    ["limits", limits],
    ["requests", requests],
  ] as const) {
    for (const [name, amount] of Object.entries(list)) {
      if (!name.includes("/") && !/^(cpu|memory|ephemeral-storage|hugepages-.+)$/.test(name)) {
        report({
          type: "Invalid",
          field: `${path}.${side}`,
          value: name,
          detail: "must be a standard resource type or fully qualified",
        });
        report({
          type: "Invalid",
          field: `${path}.${side}`,
          value: name,
          detail: "must be a standard resource for containers",
        });
      }
      const quantity = parseQuantity(String(amount));
      if (!("error" in quantity) && quantity.nano < 0n) {
        report({
          type: "Invalid",
          field: `${path}.${side}[${name}]`,
          value: String(amount),
          detail: "must be greater than or equal to 0",
        });
      }
    }
  }
  for (const [name, amount] of Object.entries(requests)) {
    const limit = limits[name];
    if (limit !== undefined && compareQuantities(String(amount), String(limit)) > 0) {
      report({
        type: "Invalid",
        field: `${path}.requests`,
        value: String(amount),
        detail: `must be less than or equal to ${name} limit of ${limit}`,
      });
    }
  }
}

/** Of a running pod only a few fields may change. */
function podUpdate(spec: JsonObject, old: JsonObject, report: Report): void {
  const frozen = (value: JsonObject) => {
    const { activeDeadlineSeconds: _, terminationGracePeriodSeconds: __, tolerations: ___, nodeName, ...rest } = value;
    const images = (list: unknown) => asList(list).map((container) => ({ ...asObject(container), image: "" }));
    return {
      ...rest,
      nodeName,
      containers: images(rest["containers"]),
      initContainers: images(rest["initContainers"]),
    };
  };
  const a = frozen(spec);
  const b = frozen(old);
  if (!equal({ ...a, nodeName: "" }, { ...b, nodeName: "" }) || (b.nodeName && a.nodeName !== b.nodeName)) {
    report({
      type: "Forbidden",
      field: "spec",
      detail:
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    });
  }
}

function service(spec: JsonObject, old: JsonObject | undefined, report: Report): void {
  const list = asList(spec["ports"]).map(asObject);
  const type = asString(spec["type"]);
  if (!["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].includes(type)) {
    report({
      type: "NotSupported",
      field: "spec.type",
      value: type,
      detail: 'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    });
  }
  if (list.length === 0 && type !== "ExternalName" && spec["clusterIP"] !== "None") {
    report({ type: "Required", field: "spec.ports", detail: "" });
  }
  list.forEach((port, i) => {
    const number = port["port"];
    if (typeof number !== "number" || number < 1 || number > 65535) {
      report({
        type: "Invalid",
        field: `spec.ports[${i}].port`,
        value: number ?? 0,
        detail: "must be between 1 and 65535, inclusive",
      });
    }
    if (list.length > 1 && !port["name"]) report({ type: "Required", field: `spec.ports[${i}].name`, detail: "" });
  });
  if (old?.["clusterIP"] && type !== "ExternalName" && spec["clusterIP"] !== old["clusterIP"]) {
    report({
      type: "Invalid",
      field: "spec.clusterIPs[0]",
      value: spec["clusterIP"] ? [spec["clusterIP"]] : null,
      detail: "may not change once set",
    });
  }
}

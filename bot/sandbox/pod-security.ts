/** Pod Security admission: a namespace's label says which standard its pods must meet. The checks people run into. */
import { asList, asObject, asString, at } from "./json.ts";
import type { Container, KubeObject, Pod } from "./object.ts";

export type Level = "privileged" | "baseline" | "restricted";

function quoted(containers: readonly Container[]): string {
  return `container${containers.length > 1 ? "s" : ""} ${containers.map(({ name }) => `"${name}"`).join(", ")}`;
}

/** Faults of a pod under a standard, as the admission plugin words them, joined; empty when it meets it. */
export function securityFaults(pod: Pod, level: Level): string {
  if (level === "privileged") return "";
  const { spec } = pod;
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  const context = (container: Container) => asObject(container["securityContext"]);
  const podContext = asObject(spec["securityContext"]);
  const faults: string[] = [];
  const host = ["hostNetwork", "hostPID", "hostIPC"].filter((key) => spec[key] === true);
  if (host.length > 0) faults.push(`host namespaces (${host.map((key) => `${key}=true`).join(", ")})`);
  const ports = all.filter((container) => container.ports?.some((port) => port.hostPort));
  if (ports.length > 0) {
    const numbers = ports.flatMap((container) => (container.ports ?? []).flatMap((port) => port.hostPort ?? []));
    faults.push(
      `hostPort (${quoted(ports)} use${ports.length > 1 ? "" : "s"} hostPort${numbers.length > 1 ? "s" : ""} ${numbers.join(", ")})`,
    );
  }
  const paths = (spec.volumes ?? []).filter((volume) => volume["hostPath"]);
  if (paths.length > 0)
    faults.push(
      `hostPath volumes (volume${paths.length > 1 ? "s" : ""} ${paths.map((volume) => `"${asString(volume["name"])}"`).join(", ")})`,
    );
  const privileged = all.filter((container) => context(container)["privileged"] === true);
  if (privileged.length > 0)
    faults.push(`privileged (${quoted(privileged)} must not set securityContext.privileged=true)`);
  if (level === "restricted") {
    const escalating = all.filter((container) => context(container)["allowPrivilegeEscalation"] !== false);
    if (escalating.length > 0) {
      faults.push(
        `allowPrivilegeEscalation != false (${quoted(escalating)} must set securityContext.allowPrivilegeEscalation=false)`,
      );
    }
    const capable = all.filter((container) => !asList(at(context(container), "capabilities", "drop")).includes("ALL"));
    if (capable.length > 0) {
      faults.push(`unrestricted capabilities (${quoted(capable)} must set securityContext.capabilities.drop=["ALL"])`);
    }
    const root = all.filter((container) => (context(container)["runAsNonRoot"] ?? podContext["runAsNonRoot"]) !== true);
    if (root.length > 0)
      faults.push(`runAsNonRoot != true (pod or ${quoted(root)} must set securityContext.runAsNonRoot=true)`);
    const unconfined = all.filter((container) => {
      const profile = asObject(context(container)["seccompProfile"] ?? podContext["seccompProfile"]);
      return profile["type"] !== "RuntimeDefault" && profile["type"] !== "Localhost";
    });
    if (unconfined.length > 0) {
      faults.push(
        `seccompProfile (pod or ${quoted(unconfined)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")`,
      );
    }
  }
  return faults.join(", ");
}

/** The level and version that a namespace enforces or warns of. */
export function securityLevel(
  namespace: KubeObject | undefined,
  mode: "enforce" | "warn",
): { level: Level; version: string } {
  const labels = namespace?.metadata.labels ?? {};
  const level = labels[`pod-security.kubernetes.io/${mode}`];
  const version = labels[`pod-security.kubernetes.io/${mode}-version`] ?? "latest";
  return { level: level === "baseline" || level === "restricted" ? level : "privileged", version };
}

/** Endpoints and EndpointSlices of every Service with a selector. */
import { equal } from "../json.ts";
import type { KubeObject, Pod, Service } from "../object.ts";
import { keyOf } from "../storage.ts";
import { timestamp } from "../timers.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { isReady, ownerReference } from "./pods.ts";
import { createQueue } from "./queue.ts";

const triggerKey = "endpoints.kubernetes.io/last-change-trigger-time";

interface Port {
  name?: string;
  port: number;
  protocol: string;
}

export function createEndpointsController({ registry, clock, timers, caller }: ControllerContext): Controller {
  const me = caller("kube-controller-manager");
  const services = registry.kinds.resource("", "services");
  const endpoints = registry.kinds.resource("", "endpoints");
  const slices = registry.kinds.resource("discovery.k8s.io", "endpointslices");
  const queue = createQueue({ timers, clock }, sync);

  function portsOf(service: Service, pod: Pod): Port[] {
    return (service.spec.ports ?? []).flatMap((port) => {
      const protocol = port.protocol ?? "TCP";
      const target = port.targetPort ?? port.port;
      const number =
        typeof target === "number"
          ? target
          : pod.spec.containers
              .flatMap((c) => c.ports ?? [])
              .find((p) => p.name === target && (p.protocol ?? "TCP") === protocol)?.containerPort;
      return number === undefined ? [] : [{ ...(port.name ? { name: port.name } : {}), port: number, protocol }];
    });
  }

  function sync(key: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const service = registry.store.get(services.storage, namespace, name) as Service | undefined;
    const own = registry.store.get(endpoints.storage, namespace, name);
    const slice = registry.store
      .list(slices.storage, namespace)
      .find((s) => s.metadata.labels?.["kubernetes.io/service-name"] === name);
    if (!service || service.metadata.deletionTimestamp) {
      if (own) registry.remove(me, endpoints, namespace, name, {});
      return;
    }
    const selector = service.spec.selector;
    if (!selector || Object.keys(selector).length === 0) return;
    const matching = (registry.store.list("/pods", namespace) as Pod[]).filter(
      (pod) =>
        Object.entries(selector).every(([label, value]) => pod.metadata.labels?.[label] === value) &&
        pod.status.podIP !== undefined &&
        pod.status.phase !== "Succeeded" &&
        pod.status.phase !== "Failed",
    );
    const address = (pod: Pod) => ({
      ip: pod.status.podIP ?? "",
      nodeName: pod.spec.nodeName,
      targetRef: { kind: "Pod", namespace, name: pod.metadata.name, uid: pod.metadata.uid },
    });
    const live = matching.filter((pod) => pod.metadata.deletionTimestamp === undefined);
    const ready = live.filter((pod) => isReady(pod) || service.spec.publishNotReadyAddresses);
    const unready = live.filter((pod) => !ready.includes(pod));
    const first = live[0];
    const ports = first ? portsOf(service, first) : [];
    const subsets =
      live.length === 0
        ? []
        : [
            {
              ...(ready.length ? { addresses: ready.map(address) } : {}),
              ...(unready.length ? { notReadyAddresses: unready.map(address) } : {}),
              ports,
            },
          ];
    write(endpoints.resource, own, { subsets }, () => ({
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: {
        name,
        namespace,
        labels: { ...service.metadata.labels, "endpoints.kubernetes.io/managed-by": "endpoint-controller" },
      },
      subsets,
    }));
    const list = matching.map((pod) => {
      const terminating = pod.metadata.deletionTimestamp !== undefined;
      return {
        addresses: [pod.status.podIP ?? ""],
        conditions: { ready: isReady(pod) && !terminating, serving: isReady(pod), terminating },
        nodeName: pod.spec.nodeName,
        targetRef: { kind: "Pod", namespace, name: pod.metadata.name, uid: pod.metadata.uid },
      };
    });
    const slicePorts = ports.map((port) => ({ ...port, name: port.name ?? "" }));
    write(slices.resource, slice, { endpoints: list, ports: slicePorts }, () => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: "",
        generateName: `${name}-`,
        namespace,
        labels: {
          ...service.metadata.labels,
          "kubernetes.io/service-name": name,
          "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        },
        ownerReferences: [ownerReference(service)],
      },
      addressType: "IPv4",
      endpoints: list,
      ports: slicePorts,
    }));
  }

  function write(
    kind: string,
    existing: KubeObject | undefined,
    fields: Record<string, unknown>,
    make: () => KubeObject,
  ): void {
    const resource = kind === "endpoints" ? endpoints : slices;
    if (!existing) {
      const object = make();
      object.metadata.annotations = { [triggerKey]: timestamp(clock.now()) };
      registry.create(me, resource, object.metadata.namespace ?? "", object);
      return;
    }
    if (Object.entries(fields).every(([key, value]) => equal(existing[key] ?? [], value))) return;
    registry.edit(me, resource, existing.metadata.namespace ?? "", existing.metadata.name, "", (object) => {
      Object.assign(object, structuredClone(fields));
      object.metadata.annotations = { ...object.metadata.annotations, [triggerKey]: timestamp(clock.now()) };
    });
  }

  return {
    observe({ storage, object }) {
      if (storage === services.storage) queue.add(keyOf(object));
      else if (storage === "/pods") {
        const labels = object.metadata.labels ?? {};
        for (const service of registry.store.list(services.storage, object.metadata.namespace ?? "") as Service[]) {
          const selector = Object.entries(service.spec.selector ?? {});
          if (selector.length > 0 && selector.every(([key, value]) => labels[key] === value)) queue.add(keyOf(service));
        }
      }
    },
    stop: queue.stop,
  };
}

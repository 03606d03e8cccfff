/**
 * A Kubernetes cluster in memory: an API server that real clients can use, the controllers a demo needs, and containers
 * that behave by a script. Loopback only.
 */
import { stringify } from "yaml";
import { createTokens } from "./authentication.ts";
import { type ContainerScript, ImageBehaviour, type Manifest, readWorld, World } from "./behaviour.ts";
import { type Controller, createContext } from "./controllers/context.ts";
import { createControllers } from "./controllers/index.ts";
import { createFaults, type FaultOptions } from "./faults.ts";
import { createKubelet } from "./kubelet.ts";
import { createForwards } from "./portforward.ts";
import { bootstrapRoles, createAuthorizer } from "./rbac.ts";
import { createKinds } from "./registry/kinds.ts";
import { type Caller, createRegistry } from "./registry/registry.ts";
import { loadSchema } from "./registry/schema.ts";
import { createScheduler } from "./scheduler.ts";
import { type SandboxRequest, startServer } from "./server.ts";
import { createStore } from "./storage.ts";
import { type Clock, createTime, systemClock } from "./timers.ts";

export type { FaultOptions, Manifest, SandboxRequest };
export { ImageBehaviour, readWorld, World };

export interface SandboxOptions {
  /** A loopback address; 127.0.0.1 when left out. */
  readonly host?: string;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  readonly world?: World;
  /** Everything that takes time is this many times as fast. */
  readonly speed?: number;
  readonly clock?: Clock;
}

export interface Sandbox {
  readonly url: string;
  /** A kubeconfig (YAML) with a token of that user; `admin`, the default, is in system:masters. Its context is `sandbox`. */
  kubeconfig(user?: string, namespace?: string): string;
  /** Creates or changes objects as admin, as `kubectl apply --server-side --force-conflicts` would. */
  apply(manifests: readonly Manifest[]): void;
  /** From now on containers of this image behave so; running ones keep the script they started with. */
  setImage(image: string, behaviour: ImageBehaviour): void;
  /** pods/portforward of that pod's port goes to 127.0.0.1:loopbackPort. */
  forward(namespace: string, pod: string, containerPort: number, loopbackPort: number): void;
  /** The latest requests, oldest first; at most 5000. */
  requests(): readonly SandboxRequest[];
  /** Makes the next matching requests fail. */
  fault(options: FaultOptions): void;
  /** Forgets watch history: older resourceVersions answer 410 from now on. */
  compact(): void;
  stop(): Promise<void>;
}

const keptRequests = 5000;
const loopback = new Set(["127.0.0.1", "::1", "localhost"]);

/** @throws Error when `host` is not a loopback address, ZodError when `world` is not a World */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const host = options.host ?? "127.0.0.1";
  if (!loopback.has(host)) throw new Error(`the sandbox listens on loopback only, not on ${host}`);
  const world = World.parse(options.world ?? {});
  const real = options.clock ?? systemClock;
  const present = real.now().getTime();
  const age = Math.max(world.ageMs, ...world.history.map(({ agoMs }) => agoMs));
  const { clock, timers, runUntil, goLive } = createTime(real, options.speed ?? 1, new Date(present - age));
  const schema = loadSchema();
  const kinds = createKinds(schema);
  const store = createStore();
  const registry = createRegistry(schema, kinds, store, clock);
  const authorizer = createAuthorizer(store);
  const tokens = createTokens();
  const forwards = createForwards();
  const faults = createFaults();
  const scripts = new Map<string, ContainerScript>();
  for (const [image, behaviour] of Object.entries(world.images)) scripts.set(image, behaviour);
  const log: SandboxRequest[] = [];

  const context = createContext(registry, clock, timers);
  const kubelet = createKubelet(context, (image) => scripts.get(image));
  const controllers: Controller[] = [...createControllers(context), createScheduler(context), kubelet];
  store.subscribe((change) => {
    for (const controller of controllers) controller.observe(change);
  });

  const admin: Caller = {
    user: { name: "admin", groups: ["system:masters", "system:authenticated"] },
    manager: "sandbox",
    dryRun: false,
    fieldValidation: "Strict",
    warn: () => undefined,
  };
  function apply(manifests: readonly Manifest[]): void {
    for (const manifest of manifests) {
      const resource = kinds.ofKind(manifest.apiVersion, manifest.kind);
      if (!resource) throw new Error(`the sandbox serves no ${manifest.kind} in ${manifest.apiVersion}`);
      const namespace = resource.namespaced ? (manifest.metadata.namespace ?? "default") : "";
      const { status, ...rest } = structuredClone(manifest);
      registry.patch(admin, resource, namespace, manifest.metadata.name, "", "apply", rest, true);
      if (status !== undefined) {
        registry.edit(admin, resource, namespace, manifest.metadata.name, "status", (object) => {
          object["status"] = status;
        });
      }
    }
  }
  apply(
    ["default", "kube-system", "kube-public", "kube-node-lease"].map((name) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
    })),
  );
  apply(bootstrapRoles().map((object) => ({ ...object, metadata: { ...object.metadata } })));
  const steps = [{ agoMs: world.ageMs, objects: world.objects }, ...world.history];
  for (const { agoMs, objects } of steps.toSorted((a, b) => b.agoMs - a.agoMs)) {
    if (agoMs > 0) runUntil(new Date(present - agoMs));
    apply(objects);
  }
  goLive();
  // Nobody watched so far; the first revisions are as gone as in a cluster that has run for a while.
  store.compact();

  const server = await startServer(
    {
      registry,
      tokens,
      authorizer,
      logs: { clock, timers, runs: kubelet.runs },
      forwards,
      faults,
      record(request) {
        log.push(request);
        if (log.length > keptRequests) log.splice(0, log.length - keptRequests);
      },
    },
    host,
    options.port ?? 0,
  );

  const certificate = Buffer.from(server.certificate).toString("base64");
  return {
    url: server.url,
    kubeconfig(user = "admin", namespace) {
      return stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [
          { name: "sandbox", cluster: { server: server.secureUrl, "certificate-authority-data": certificate } },
        ],
        users: [{ name: user, user: { token: tokens.tokenOf(user) } }],
        contexts: [{ name: "sandbox", context: { cluster: "sandbox", user, ...(namespace ? { namespace } : {}) } }],
        "current-context": "sandbox",
      });
    },
    apply,
    setImage: (image, behaviour) => void scripts.set(image, ImageBehaviour.parse(behaviour)),
    forward: forwards.set,
    requests: () => log,
    fault: faults.add,
    compact: store.compact,
    async stop() {
      for (const controller of controllers) controller.stop();
      timers.stop();
      await server.close();
    },
  };
}

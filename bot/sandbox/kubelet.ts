/** Plays the containers of every pod that is on a node, by their image's script, and reports as kubelets do. */
import { createHash } from "node:crypto";
import { type ContainerScript, ImageBehaviour } from "./behaviour.ts";
import type { Controller, ControllerContext } from "./controllers/context.ts";
import { createQueue } from "./controllers/queue.ts";
import type { Recorder } from "./controllers/recorder.ts";
import { asList, asObject, asString, equal } from "./json.ts";
import type { Run } from "./logs.ts";
import type { Condition, Container, ContainerState, ContainerStatus, Node, Pod } from "./object.ts";
import { units } from "./quantity.ts";
import { keyOf } from "./storage.ts";
import { timestamp } from "./timers.ts";

export interface Kubelet extends Controller {
  runs(podUid: string, container: string): { current: Run | undefined; previous: Run | undefined };
}

interface RunningContainer {
  readonly spec: Container;
  readonly isInit: boolean;
  state: ContainerState;
  lastState: ContainerState;
  ready: boolean;
  restarts: number;
  run: Run | undefined;
  previous: Run | undefined;
  pulled: boolean;
  pullFailures: number;
  /** When the last crash was, and how long the next start waits. */
  backOffMs: number;
  timers: (() => void)[];
  done: boolean;
}

interface RunningPod {
  readonly uid: string;
  readonly key: string;
  readonly containers: RunningContainer[];
  readonly ip: string;
  readonly startTime: string;
  started: boolean;
  stopping: boolean;
}

const firstBackOff = 10_000;
const maxBackOff = 300_000;

function hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** `nginx` as the runtime names it. */
function fullImage(image: string): string {
  const named =
    image.includes("/") && /[.:]|^localhost$/.test(image.split("/")[0] ?? "")
      ? image
      : `docker.io/${image.includes("/") ? image : `library/${image}`}`;
  return /:[^/]+$|@/.test(named) ? named : `${named}:latest`;
}

export function createKubelet(
  context: ControllerContext,
  behaviourOf: (image: string) => ContainerScript | undefined,
): Kubelet {
  const { registry, clock, timers } = context;
  const me = context.caller("kubelet");
  const pods = registry.kinds.resource("", "pods");
  const running = new Map<string, RunningPod>();
  const finished = new Map<string, RunningPod>();
  const recorders = new Map<string, Recorder>();
  const queue = createQueue({ timers, clock }, sync);
  const ordinary = ImageBehaviour.parse({});
  const oneShot = ImageBehaviour.parse({ exit: { code: 0, afterMs: 100 } });
  let addresses = 1;

  const now = () => clock.now().getTime();
  const time = (ms: number) => timestamp(new Date(ms));
  const current = (key: string) => {
    const [namespace = "", name = ""] = key.split("/");
    return registry.store.get(pods.storage, namespace, name) as Pod | undefined;
  };
  function recorderFor(node: string): Recorder {
    const existing = recorders.get(node) ?? context.recorder("kubelet", node);
    recorders.set(node, existing);
    return existing;
  }
  function tell(
    pod: RunningPod,
    container: RunningContainer | undefined,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
  ): void {
    const object = current(pod.key);
    if (!object || object.metadata.uid !== pod.uid) return;
    const path = container && `spec.${container.isInit ? "initContainers" : "containers"}{${container.spec.name}}`;
    recorderFor(object.spec.nodeName ?? "").event(object, type, reason, message, path);
  }
  function scriptOf(container: RunningContainer): ContainerScript {
    return behaviourOf(container.spec.image ?? "") ?? (container.isInit ? oneShot : ordinary);
  }
  function later(container: RunningContainer, ms: number, run: () => void): void {
    container.timers.push(timers.after(ms, run));
  }
  function clear(container: RunningContainer): void {
    for (const cancel of container.timers) cancel();
    container.timers = [];
  }

  function sync(key: string): void {
    const pod = current(key);
    const known = running.get(key);
    if (known && pod?.metadata.uid !== known.uid) forget(known);
    if (!pod?.spec.nodeName) return;
    const node = registry.store.get("/nodes", "", pod.spec.nodeName) as Node | undefined;
    if (!node) return;
    if (pod.metadata.deletionTimestamp) {
      terminate(pod, running.get(key));
      return;
    }
    if (pod.status.phase === "Succeeded" || pod.status.phase === "Failed") return;
    const mine = running.get(key) ?? begin(pod);
    if (!mine.started) start(pod, mine);
    refreshImages(pod, mine);
    report(mine);
  }

  function begin(pod: Pod): RunningPod {
    addresses += 1;
    const make =
      (isInit: boolean) =>
      (spec: Container): RunningContainer => ({
        spec,
        isInit,
        state: {
          waiting: { reason: (pod.spec.initContainers?.length ?? 0) > 0 ? "PodInitializing" : "ContainerCreating" },
        },
        lastState: {},
        ready: false,
        restarts: 0,
        run: undefined,
        previous: undefined,
        pulled: false,
        pullFailures: 0,
        backOffMs: 0,
        timers: [],
        done: false,
      });
    const made: RunningPod = {
      uid: pod.metadata.uid ?? "",
      key: keyOf(pod),
      containers: [...(pod.spec.initContainers ?? []).map(make(true)), ...pod.spec.containers.map(make(false))],
      ip: pod.status.podIP ?? `10.244.${Math.floor(addresses / 250)}.${(addresses % 250) + 1}`,
      startTime: time(now()),
      started: false,
      stopping: false,
    };
    running.set(made.key, made);
    return made;
  }

  /** Volumes that name what is not there keep the whole pod waiting. */
  function missingVolume(pod: Pod): string | undefined {
    const namespace = pod.metadata.namespace ?? "";
    for (const volume of pod.spec.volumes ?? []) {
      for (const [key, field] of [
        ["configMap", "name"],
        ["secret", "secretName"],
      ] as const) {
        const source = asObject(volume[key]);
        const name = asString(source[field]);
        if (!name || source["optional"] === true) continue;
        if (!registry.store.get(`/${key.toLowerCase()}s`, namespace, name)) {
          return `MountVolume.SetUp failed for volume "${asString(volume["name"])}" : ${key.toLowerCase()} "${name}" not found`;
        }
      }
    }
    return undefined;
  }

  /** Environment that cannot be made: CreateContainerConfigError. */
  function missingEnv(pod: Pod, container: Container): string | undefined {
    const namespace = pod.metadata.namespace ?? "";
    const refs: { kind: string; name: string; key: string; optional: unknown }[] = [];
    for (const variable of container.env ?? []) {
      for (const [field, kind] of [
        ["configMapKeyRef", "configmap"],
        ["secretKeyRef", "secret"],
      ] as const) {
        const ref = asObject(variable.valueFrom?.[field]);
        if (ref["name"])
          refs.push({ kind, name: asString(ref["name"]), key: asString(ref["key"]), optional: ref["optional"] });
      }
    }
    for (const source of asList(container.envFrom).map(asObject)) {
      for (const [field, kind] of [
        ["configMapRef", "configmap"],
        ["secretRef", "secret"],
      ] as const) {
        const ref = asObject(source[field]);
        if (ref["name"]) refs.push({ kind, name: asString(ref["name"]), key: "", optional: ref["optional"] });
      }
    }
    for (const { kind, name, key, optional } of refs) {
      if (optional === true) continue;
      const object = registry.store.get(`/${kind}s`, namespace, name);
      if (!object) return `${kind} "${name}" not found`;
      if (key && asObject(object["data"])[key] === undefined) {
        return `couldn't find key ${key} in ${kind === "configmap" ? "ConfigMap" : "Secret"} ${namespace}/${name}`;
      }
    }
    return undefined;
  }

  /** Names of variables that a container will see with a value. */
  function environment(pod: Pod, container: Container): Set<string> {
    const names = new Set((container.env ?? []).filter((v) => v.value || v.valueFrom).map((v) => v.name));
    for (const source of asList(container.envFrom).map(asObject)) {
      for (const [field, kind] of [
        ["configMapRef", "configmap"],
        ["secretRef", "secret"],
      ] as const) {
        const object = registry.store.get(
          `/${kind}s`,
          pod.metadata.namespace ?? "",
          asString(asObject(source[field])["name"]),
        );
        for (const key of Object.keys(asObject(object?.["data"]))) names.add(`${asString(source["prefix"])}${key}`);
      }
    }
    return names;
  }

  function start(pod: Pod, mine: RunningPod): void {
    const missing = missingVolume(pod);
    if (missing) {
      tell(mine, undefined, "Warning", "FailedMount", missing);
      queue.addAfter(mine.key, 2000);
      return;
    }
    mine.started = true;
    advance(mine);
  }

  /** Starts what is due: init containers one after the other, then all others together. */
  function advance(mine: RunningPod): void {
    const init = mine.containers.find((container) => container.isInit && !container.done);
    if (init) {
      if (!init.run && init.timers.length === 0) create(mine, init);
      return;
    }
    for (const container of mine.containers) {
      if (!container.isInit && !container.run && container.timers.length === 0 && !container.done)
        create(mine, container);
    }
  }

  function create(mine: RunningPod, container: RunningContainer): void {
    const script = scriptOf(container);
    const image = container.spec.image ?? "";
    const policy = container.spec.imagePullPolicy;
    if (container.pulled && policy !== "Always") {
      tell(
        mine,
        container,
        "Normal",
        "Pulled",
        `Container image "${image}" already present on machine and can be accessed by the pod`,
      );
      launch(mine, container);
      return;
    }
    tell(mine, container, "Normal", "Pulling", `Pulling image "${image}"`);
    later(container, script.pullMs, () => {
      clear(container);
      const present = scriptOf(container);
      if (present.notFound) {
        pullFailed(mine, container, image);
        return;
      }
      container.pulled = true;
      container.pullFailures = 0;
      const took = `${present.pullMs}ms`;
      const size = 20_000_000 + (Number.parseInt(hex(image).slice(0, 6), 16) % 80_000_000);
      tell(
        mine,
        container,
        "Normal",
        "Pulled",
        `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${size} bytes.`,
      );
      launch(mine, container);
    });
  }

  function pullFailed(mine: RunningPod, container: RunningContainer, image: string): void {
    const full = fullImage(image);
    const why = `failed to pull and unpack image "${full}": failed to resolve reference "${full}": ${full}: not found`;
    const error = `rpc error: code = NotFound desc = ${why}`;
    tell(mine, container, "Warning", "Failed", `Failed to pull image "${image}": ${error}`);
    tell(mine, container, "Warning", "Failed", "Error: ErrImagePull");
    container.state = { waiting: { reason: "ErrImagePull", message: error } };
    queue.add(mine.key);
    const wait = Math.min(maxBackOff, firstBackOff * 2 ** container.pullFailures);
    container.pullFailures += 1;
    later(container, Math.min(2000, wait / 2), () => {
      tell(mine, container, "Normal", "BackOff", `Back-off pulling image "${image}"`);
      tell(mine, container, "Warning", "Failed", "Error: ImagePullBackOff");
      container.state = {
        waiting: { reason: "ImagePullBackOff", message: `Back-off pulling image "${image}": ErrImagePull: ${error}` },
      };
      queue.add(mine.key);
    });
    later(container, wait, () => {
      clear(container);
      create(mine, container);
    });
  }

  function launch(mine: RunningPod, container: RunningContainer): void {
    const pod = current(mine.key);
    if (!pod || mine.stopping) return;
    const missing = missingEnv(pod, container.spec);
    if (missing) {
      container.state = { waiting: { reason: "CreateContainerConfigError", message: missing } };
      tell(mine, container, "Warning", "Failed", `Error: ${missing}`);
      queue.add(mine.key);
      later(container, 5000, () => {
        clear(container);
        launch(mine, container);
      });
      return;
    }
    tell(mine, container, "Normal", "Created", "Container created");
    later(container, scriptOf(container).startupMs, () => {
      clear(container);
      startRun(mine, container, pod);
    });
  }

  function startRun(mine: RunningPod, container: RunningContainer, pod: Pod): void {
    const script = scriptOf(container);
    container.previous = container.run ?? container.previous;
    container.run = { script, startedAt: now() };
    container.state = { running: { startedAt: time(now()) } };
    tell(mine, container, "Normal", "Started", "Container started");
    play(mine, container, pod);
    queue.add(mine.key);
  }

  /** Sets what will happen to a run from here on. */
  function play(mine: RunningPod, container: RunningContainer, pod: Pod): void {
    const run = container.run;
    if (!run) return;
    const { script } = run;
    const past = (now() - run.startedAt) * timers.speed;
    const lacking = script.needsEnv.filter((name) => !environment(pod, container.spec).has(name));
    const limit = container.spec.resources?.limits?.["memory"];
    if (lacking.length > 0) {
      const lines = lacking.map((name) => `fatal: required environment variable ${name} is not set`);
      later(container, Math.max(0, 200 - past), () => end(mine, container, 1, "Error", lines));
    } else if (script.memory && limit && units(limit) < units(script.memory)) {
      later(container, Math.max(0, script.oomAfterMs - past), () => end(mine, container, 137, "OOMKilled", []));
    } else if (script.exit) {
      const { code, afterMs, log } = script.exit;
      later(container, Math.max(0, afterMs - past), () =>
        end(mine, container, code, code === 0 ? "Completed" : "Error", log),
      );
    }
    readiness(mine, container, past);
  }

  function readiness(mine: RunningPod, container: RunningContainer, past: number): void {
    const probe = container.spec.readinessProbe;
    const { ready: when, unreadyMessage } = scriptOf(container);
    if (!probe) {
      container.ready = true;
      return;
    }
    const initial = (probe.initialDelaySeconds ?? 0) * 1000;
    const period = (probe.periodSeconds ?? 10) * 1000;
    const readyAt =
      when === "never" ? Number.POSITIVE_INFINITY : when === "always" ? initial + 100 : Math.max(initial, when.afterMs);
    if (readyAt <= past) {
      container.ready = true;
      return;
    }
    container.ready = false;
    const fail = () => {
      if (!container.run || container.ready || container.run.endedAt !== undefined) return;
      tell(mine, container, "Warning", "Unhealthy", `Readiness probe failed: ${unreadyMessage}`);
      later(container, period, fail);
    };
    if (readyAt > initial + period) later(container, Math.max(500, initial + 1000 - past), fail);
    if (Number.isFinite(readyAt)) {
      later(container, readyAt - past, () => {
        container.ready = true;
        queue.add(mine.key);
      });
    }
  }

  function end(
    mine: RunningPod,
    container: RunningContainer,
    exitCode: number,
    reason: string,
    tail: readonly string[],
  ): void {
    const { run } = container;
    if (!run || run.endedAt !== undefined) return;
    clear(container);
    run.endedAt = now();
    run.tail = tail;
    container.ready = false;
    const message =
      exitCode !== 0 && container.spec["terminationMessagePolicy"] === "FallbackToLogsOnError"
        ? [...run.script.log, ...tail].slice(-80).join("\n")
        : "";
    const terminated = {
      exitCode,
      reason,
      ...(message ? { message } : {}),
      startedAt: time(run.startedAt),
      finishedAt: time(run.endedAt),
      containerID: containerId(mine, container),
    };
    container.state = { terminated };
    const pod = current(mine.key);
    const policy = pod?.spec.restartPolicy ?? "Always";
    const again = container.isInit
      ? exitCode !== 0 && policy !== "Never"
      : policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
    if (container.isInit && exitCode === 0) container.done = true;
    if (again && !mine.stopping) restart(mine, container);
    else if (!container.isInit) container.done = true;
    if (container.isInit && container.done) advance(mine);
    queue.add(mine.key);
  }

  /** The first restart is at once; then 10 s, doubling to 5 min, forgotten after 10 min of peace. */
  function restart(mine: RunningPod, container: RunningContainer): void {
    const { run } = container;
    const lasted = run?.endedAt === undefined ? 0 : (run.endedAt - run.startedAt) * timers.speed;
    if (lasted > 2 * maxBackOff) container.backOffMs = 0;
    const wait = container.backOffMs;
    container.backOffMs = wait === 0 ? firstBackOff : Math.min(maxBackOff, wait * 2);
    const ended = container.state;
    later(container, 1000, () => {
      if (wait <= 1000) {
        relaunch(mine, container, ended);
        return;
      }
      const pod = current(mine.key);
      const who = pod ? `${pod.metadata.name}_${pod.metadata.namespace}(${mine.uid})` : "";
      container.lastState = ended;
      container.state = {
        waiting: {
          reason: "CrashLoopBackOff",
          message: `back-off ${goDuration(wait)} restarting failed container=${container.spec.name} pod=${who}`,
        },
      };
      tell(
        mine,
        container,
        "Warning",
        "BackOff",
        `Back-off restarting failed container ${container.spec.name} in pod ${who}`,
      );
      queue.add(mine.key);
      later(container, wait - 1000, () => relaunch(mine, container, ended));
    });
  }

  function relaunch(mine: RunningPod, container: RunningContainer, ended: ContainerState): void {
    clear(container);
    container.lastState = ended;
    container.restarts += 1;
    create(mine, container);
  }

  function goDuration(ms: number): string {
    const seconds = Math.round(ms / 1000);
    return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  }

  /** An image changed in place restarts its container. */
  function refreshImages(pod: Pod, mine: RunningPod): void {
    for (const [i, container] of mine.containers.entries()) {
      const specs = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
      const spec = specs[i];
      if (!spec || spec.image === container.spec.image) continue;
      tell(mine, container, "Normal", "Killing", `Container ${spec.name} definition changed, will be restarted`);
      clear(container);
      if (container.run && container.run.endedAt === undefined) container.run.endedAt = now();
      mine.containers[i] = {
        ...container,
        spec,
        pulled: false,
        ready: false,
        restarts: container.restarts + 1,
        backOffMs: 0,
        timers: [],
        lastState: container.state,
      };
      const fresh = mine.containers[i];
      if (fresh) create(mine, fresh);
    }
  }

  function containerId(mine: RunningPod, container: RunningContainer): string {
    return `containerd://${hex(`${mine.uid}/${container.spec.name}/${container.restarts}`)}`;
  }

  function statusOf(mine: RunningPod, container: RunningContainer): ContainerStatus {
    const image = container.spec.image ?? "";
    const hasRun = container.run !== undefined;
    return {
      name: container.spec.name,
      state: container.state,
      lastState: container.lastState,
      ready: container.isInit ? container.done : container.ready,
      restartCount: container.restarts,
      image: container.pulled ? fullImage(image) : image,
      imageID: container.pulled ? `${fullImage(image).replace(/:[^/:]+$/, "")}@sha256:${hex(image)}` : "",
      ...(hasRun ? { containerID: container.state.terminated?.containerID ?? containerId(mine, container) } : {}),
      started: container.state.running !== undefined && !container.isInit,
      ...(container.spec.resources && Object.keys(container.spec.resources).length > 0 && container.state.running
        ? {
            resources: container.spec.resources,
            ...(container.spec.resources.requests ? { allocatedResources: container.spec.resources.requests } : {}),
          }
        : {}),
    };
  }

  function phaseOf(pod: Pod, mine: RunningPod): string {
    const mains = mine.containers.filter((container) => !container.isInit);
    const inits = mine.containers.filter((container) => container.isInit);
    const failedInit = inits.some(
      (c) => c.state.terminated && c.state.terminated.exitCode !== 0 && pod.spec.restartPolicy === "Never",
    );
    if (failedInit) return "Failed";
    if (mains.every((container) => container.done)) {
      return mains.every((container) => container.state.terminated?.exitCode === 0) ? "Succeeded" : "Failed";
    }
    const begun = mains.every((container) => container.run !== undefined || container.restarts > 0);
    return begun && inits.every((container) => container.done) ? "Running" : "Pending";
  }

  function conditionsOf(pod: Pod, mine: RunningPod, phase: string): Condition[] {
    const at = time(now());
    const unready = mine.containers.filter((c) => !c.isInit && !c.ready).map((c) => c.spec.name);
    const pendingInits = mine.containers.filter((c) => c.isInit && !c.done).map((c) => c.spec.name);
    const observedGeneration = pod.metadata.generation;
    const finishedReason = phase === "Succeeded" ? "PodCompleted" : phase === "Failed" ? "PodFailed" : undefined;
    const readyFalse = finishedReason
      ? { reason: finishedReason }
      : { reason: "ContainersNotReady", message: `containers with unready status: [${unready.join(" ")}]` };
    const isReady = unready.length === 0 && phase === "Running";
    const wanted: { type: string; ok: boolean; reason?: string; message?: string }[] = [
      { type: "PodReadyToStartContainers", ok: mine.started && !finishedReason },
      {
        type: "Initialized",
        ok: pendingInits.length === 0,
        ...(pendingInits.length === 0
          ? phase === "Succeeded"
            ? { reason: "PodCompleted" }
            : {}
          : {
              reason: "ContainersNotInitialized",
              message: `containers with incomplete status: [${pendingInits.join(" ")}]`,
            }),
      },
      { type: "Ready", ok: isReady, ...(isReady ? {} : readyFalse) },
      { type: "ContainersReady", ok: isReady, ...(isReady ? {} : readyFalse) },
      { type: "PodScheduled", ok: true },
    ];
    return wanted.map(({ type, ok, reason, message }) => {
      const before = pod.status.conditions?.find((condition) => condition.type === type);
      const status = ok ? "True" : "False";
      return {
        type,
        status,
        ...(observedGeneration === undefined ? {} : { observedGeneration }),
        lastProbeTime: null,
        lastTransitionTime: before?.status === status ? (before.lastTransitionTime ?? at) : at,
        ...(reason ? { reason } : {}),
        ...(message ? { message } : {}),
      };
    });
  }

  function report(mine: RunningPod): void {
    const pod = current(mine.key);
    if (!pod || pod.metadata.uid !== mine.uid) return;
    const phase = phaseOf(pod, mine);
    const node = registry.store.get("/nodes", "", pod.spec.nodeName ?? "") as Node | undefined;
    const hostIP = node?.status.addresses?.find((address) => address.type === "InternalIP")?.address ?? "127.0.0.1";
    const inits = mine.containers.filter((container) => container.isInit).map((container) => statusOf(mine, container));
    const ip = pod.spec["hostNetwork"] === true ? hostIP : mine.ip;
    const hasIp = mine.containers.some((container) => container.pulled);
    const status: Pod["status"] = {
      ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
      phase,
      conditions: conditionsOf(pod, mine, phase),
      hostIP,
      hostIPs: [{ ip: hostIP }],
      ...(hasIp ? { podIP: ip, podIPs: [{ ip }] } : {}),
      startTime: pod.status.startTime ?? mine.startTime,
      ...(inits.length > 0 ? { initContainerStatuses: inits } : {}),
      containerStatuses: mine.containers
        .filter((container) => !container.isInit)
        .map((container) => statusOf(mine, container)),
      ...(pod.status.qosClass ? { qosClass: pod.status.qosClass } : {}),
    };
    if (!equal(status, pod.status)) {
      registry.edit(me, pods, pod.metadata.namespace ?? "", pod.metadata.name, "status", (object) => {
        object["status"] = status;
      });
    }
    if (phase === "Succeeded" || phase === "Failed") {
      for (const container of mine.containers) clear(container);
      running.delete(mine.key);
      finished.set(mine.uid, mine);
    }
  }

  function terminate(pod: Pod, mine: RunningPod | undefined): void {
    const { namespace = "", name } = pod.metadata;
    const gone = () => {
      const left = registry.store.get(pods.storage, namespace, name);
      if (left?.metadata.uid !== pod.metadata.uid) return;
      registry.remove(me, pods, namespace, name, { gracePeriodSeconds: 0, uid: pod.metadata.uid });
    };
    if (!mine) {
      gone();
      return;
    }
    if (mine.stopping) return;
    mine.stopping = true;
    let longest = 0;
    for (const container of mine.containers) {
      clear(container);
      if (!container.run || container.run.endedAt !== undefined) continue;
      tell(mine, container, "Normal", "Killing", `Stopping container ${container.spec.name}`);
      longest = Math.max(longest, scriptOf(container).stopMs);
    }
    const grace = (pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000;
    timers.after(Math.min(longest, grace), () => {
      for (const container of mine.containers) {
        if (container.run && container.run.endedAt === undefined) end(mine, container, 0, "Completed", []);
      }
      forget(mine);
      gone();
    });
  }

  function forget(mine: RunningPod): void {
    for (const container of mine.containers) {
      clear(container);
      if (container.run && container.run.endedAt === undefined) container.run.endedAt = now();
    }
    if (running.get(mine.key) === mine) running.delete(mine.key);
    finished.delete(mine.uid);
  }

  return {
    observe({ storage, type, object }) {
      if (storage !== pods.storage) return;
      const pod = object as Pod;
      if (type === "DELETED") {
        const mine = running.get(keyOf(pod)) ?? finished.get(pod.metadata.uid ?? "");
        if (mine?.uid === pod.metadata.uid && mine) forget(mine);
      } else if (pod.spec.nodeName) queue.add(keyOf(pod));
    },
    stop: queue.stop,
    runs(podUid, name) {
      const pod = [...running.values()].find((candidate) => candidate.uid === podUid) ?? finished.get(podUid);
      const container = pod?.containers.find((candidate) => candidate.spec.name === name);
      if (!container) return { current: undefined, previous: undefined };
      // Between two runs both names mean the one that ended last.
      const waiting = container.state.waiting !== undefined && container.run?.endedAt !== undefined;
      return { current: container.run, previous: waiting ? container.run : container.previous };
    },
  };
}

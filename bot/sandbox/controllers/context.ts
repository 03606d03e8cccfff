/** What every controller is given, and the shape it has. */
import type { Caller, Registry } from "../registry/registry.ts";
import type { Change } from "../storage.ts";
import type { Clock, Timers } from "../timers.ts";
import { createEventNames, createRecorder, type Recorder } from "./recorder.ts";

export interface ControllerContext {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The identity a controller writes with. */
  caller(manager: string): Caller;
  recorder(component: string, host?: string): Recorder;
}

export interface Controller {
  /** Told of every change, in order. Must be quick: it only queues. */
  observe(change: Change): void;
  stop(): void;
}

export function createContext(registry: Registry, clock: Clock, timers: Timers): ControllerContext {
  function caller(manager: string): Caller {
    return {
      user: { name: `system:${manager}`, groups: ["system:masters"] },
      manager,
      dryRun: false,
      fieldValidation: "Ignore",
      warn: () => undefined,
    };
  }
  const nameFor = createEventNames(clock.now);
  return {
    registry,
    clock,
    timers,
    caller,
    recorder: (component, host) =>
      createRecorder(
        registry,
        nameFor,
        caller(host ? "kubelet" : component === "default-scheduler" ? "kube-scheduler" : "kube-controller-manager"),
        component,
        host,
      ),
  };
}

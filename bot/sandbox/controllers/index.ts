/** All controllers of the controller manager. */
import type { Controller, ControllerContext } from "./context.ts";
import { createDeploymentController } from "./deployment.ts";
import { createEndpointsController } from "./endpoints.ts";
import { createGarbageCollector } from "./garbage.ts";
import { createNamespaceController } from "./namespace.ts";
import { createReplicaSetController } from "./replicaset.ts";

export function createControllers(context: ControllerContext): Controller[] {
  return [
    createNamespaceController(context),
    createDeploymentController(context),
    createReplicaSetController(context),
    createEndpointsController(context),
    createGarbageCollector(context),
  ];
}

/** All controllers of the controller manager. */
import { createAutoscalerController, createQuotaController } from "./accounting.ts";
import { createClaimController } from "./claims.ts";
import type { Controller, ControllerContext } from "./context.ts";
import { createCustomResourceController } from "./custom.ts";
import { createDaemonSetController } from "./daemonset.ts";
import { createDeploymentController } from "./deployment.ts";
import { createDisruptionController } from "./disruption.ts";
import { createEndpointsController } from "./endpoints.ts";
import { createEventExpiry } from "./expiry.ts";
import { createGarbageCollector } from "./garbage.ts";
import { createCronJobController, createJobController } from "./job.ts";
import { createNamespaceController } from "./namespace.ts";
import { createReplicaSetController } from "./replicaset.ts";
import { createStatefulSetController } from "./statefulset.ts";
import { createTaintController } from "./taints.ts";

export function createControllers(context: ControllerContext): Controller[] {
  const makers = [
    createNamespaceController,
    createCustomResourceController,
    createDeploymentController,
    createReplicaSetController,
    createStatefulSetController,
    createDaemonSetController,
    createJobController,
    createCronJobController,
    createEndpointsController,
    createDisruptionController,
    createClaimController,
    createQuotaController,
    createTaintController,
    createAutoscalerController,
    createGarbageCollector,
    createEventExpiry,
  ];
  return makers.map((make) => make(context));
}

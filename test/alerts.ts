import { kinds, listField, stringField } from "../shared/kube.ts";
import type { Bot } from "./harness.ts";
import type { FiredAlert } from "./payloads.ts";
import { until } from "./until.ts";

/** The alert that kube-prometheus raises for a pod of this app, once one really crash-loops. */
export async function crashLoopOf(
  bot: Pick<Bot, "cluster">,
  namespace: string,
  app: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<FiredAlert> {
  const pod = await until(
    `a pod of ${namespace}/${app} crash-loops`,
    async () => {
      const labelSelector = `app.kubernetes.io/name=${app}`;
      const { items } = await bot.cluster.list({ type: kinds.pod, namespace, labelSelector });
      return items.find((item) =>
        listField(item, "status", "containerStatuses").some(
          (status) => stringField(status, "state", "waiting", "reason") === "CrashLoopBackOff",
        ),
      );
    },
    20_000,
    50,
  );
  return {
    alertname: "KubePodCrashLooping",
    labels: { namespace, pod: pod.metadata.name, container: app, severity: "warning", ...labels },
    startsAt: new Date(),
  };
}

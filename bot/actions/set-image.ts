import type { ActionOf } from "../../shared/action.ts";
import { StewardError } from "../../shared/errors.ts";
import { stringField } from "../../shared/kube.ts";
import { type ActionDef, patchWorkloads, watchWorkloads } from "./definition.ts";
import { patchRequest, pointer, same } from "./patch.ts";
import { containerNamed, containerPath, named, refusePaused, rolloutIsCritical } from "./workload.ts";

const lists = ["containers", "initContainers"] as const;

/** `kubectl set image`, for one container of the template. */
export const setImage: ActionDef<ActionOf<"setImage">> = {
  rbac: { act: [patchWorkloads], read: [watchWorkloads] },
  summary({ target, container, image }, { object }, locale) {
    const now = stringField(containerNamed(object, container, lists).container, "image") ?? "";
    return {
      en: `Set the image of container ${container} in ${target} from ${now} to ${image}`,
      "zh-CN": `将 ${target} 中容器 ${container} 的镜像由 ${now} 改为 ${image}`,
    }[locale];
  },
  kubectl: ({ target, namespace, container, image }) =>
    `kubectl set image ${target} ${container}=${image} -n ${namespace}`,
  risk({ container, image }, target) {
    const now = stringField(containerNamed(target.object, container, lists).container, "image") ?? "";
    return repositoryOf(now) !== repositoryOf(image) || rolloutIsCritical(target) ? "critical" : "high";
  },
  overreach: () => null,

  async plan(action, { ref, object }, { op }) {
    refusePaused(object, "update");
    const place = containerNamed(object, action.container, lists);
    const now = stringField(place.container, "image") ?? "";
    if (now === action.image) {
      throw new StewardError("invalid", `container ${action.container} of ${named(object)} already has image ${now}`, {
        path: "action.image",
      });
    }
    const path = containerPath(place);
    const request = patchRequest(ref, object, op, [
      same(object, ...path, "name"),
      same(object, ...path, "image"),
      { op: "replace", path: pointer(...path, "image"), value: action.image },
    ]);
    const key = `k:${JSON.stringify({ name: action.container })}`;
    return {
      action,
      request,
      inverse: { ...action, image: now },
      writes: [["f:spec", "f:template", "f:spec", `f:${place.list}`, key, "f:image"]],
    };
  },
};

/** An image without tag and digest. A colon before the last slash is a port. */
function repositoryOf(image: string): string {
  return image.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
}

import type { Action } from "../../shared/action.ts";
import type { Diagnosis, Finding } from "../../shared/finding.ts";
import { span } from "../../shared/time.ts";
import type { RevisionFacts } from "../tools/revisions.ts";
import { finding, hasFailed, remedy, type Scene, workloadOf } from "./playbook.ts";

/** A release that is to blame for what its pods show, and what there is to go back to. */
export interface Release {
  current: RevisionFacts;
  /** Changes of its template that a restart does not make. */
  changes: readonly string[];
  /** The newest earlier revision known to have been well; null when none is. */
  healthy: RevisionFacts | null;
  /** `serving`: pods of it are ready now, beside those that fail. `served`: it ran long enough before. */
  proof: "serving" | "served" | null;
}

/** An alert this long after a rollout may still be its doing. */
const mayBlameMs = 2 * 3_600_000;
/** A revision that stayed this long was kept because it worked. */
const provenMs = 10 * 60_000;
/** Alertmanager's clock, the API server's and ours differ a little. */
const skewMs = 5 * 60_000;

/**
 * The present revision, if it can be blamed: the failing pod is of it, it changed something, and either an earlier revision is still well beside it
 * or the alert came soon after it. null otherwise: without that, going back would be a guess.
 */
export function blamedRelease(scene: Scene): Release | null {
  const current = scene.revisions.at(-1);
  if (current === undefined || scene.revisions.length < 2) return null;
  const changes = current.changes.filter((change) => !/restartedAt/.test(change));
  if (changes.length === 0 || !isOfRevision(scene, current)) return null;
  const earlier = scene.revisions.slice(0, -1);
  const serving = earlier.findLast(({ ready }) => ready > 0);
  if (serving !== undefined && noneIsWell(scene, current))
    return { current, changes, healthy: serving, proof: "serving" };
  if (current.at === null) return null;
  const began = (scene.startedAt ?? scene.now).getTime();
  if (began < current.at.getTime() - skewMs || began - current.at.getTime() > mayBlameMs) return null;
  const before = earlier.at(-1);
  const proven = before?.servedMs != null && before.servedMs >= provenMs ? before : null;
  return { current, changes, healthy: proven, proof: proven === null ? null : "served" };
}

function isOfRevision({ pod }: Scene, { key, name }: RevisionFacts): boolean {
  return pod === null || pod.revision === "" || pod.revision === key || pod.revision === name;
}

/** A container that crashes counts as ready for a moment after each start. */
function noneIsWell({ described }: Scene, { key, name }: RevisionFacts): boolean {
  const mine = described.pods.filter(({ revision, deleting }) => !deleting && (revision === key || revision === name));
  return mine.every(({ ready, containers }) => !ready || containers.some(hasFailed));
}

/** Back to the revision that was well; null where there is none to go to. */
export function rollbackOf(scene: Scene, release: Release | null): Action | null {
  const target = workloadOf(scene);
  if (release === null || release.healthy === null || target === null) return null;
  return remedy({ kind: "rollback", namespace: scene.namespace, target, toRevision: release.healthy.number });
}

export function releaseConfidence(release: Release): Diagnosis["confidence"] {
  return release.proof === "serving" ? "high" : release.proof === "served" ? "medium" : "low";
}

/** What the release changed, and how the revision before it fares. */
export function releaseFindings(scene: Scene, release: Release): Finding[] {
  const { locale, historyId } = scene;
  const { current, changes, healthy, proof } = release;
  const shown = changes.slice(0, 3).join("; ");
  const more = changes.length > 3 ? ` (+${changes.length - 3})` : "";
  const said = [
    finding(
      {
        en: `Revision ${current.number}, rolled out ${whenIs(current.at, scene)}, changed ${shown}${more}`,
        "zh-CN": `版本 ${current.number}（${whenIs(current.at, scene)}发布）改动了 ${shown}${more}`,
      }[locale],
      historyId,
    ),
  ];
  if (healthy === null) return said;
  const text = {
    serving: {
      en: `Revision ${healthy.number} is well beside it: ${healthy.ready} of ${healthy.pods} pods ready`,
      "zh-CN": `旁边的版本 ${healthy.number} 正常：${healthy.pods} 个 Pod 中 ${healthy.ready} 个就绪`,
    },
    served: {
      en: `Revision ${healthy.number} ran for ${span(healthy.servedMs ?? 0, locale)} before it`,
      "zh-CN": `此前版本 ${healthy.number} 运行了${span(healthy.servedMs ?? 0, locale)}`,
    },
  }[proof ?? "served"][locale];
  return [...said, finding(text, historyId)];
}

/** Why the last release is not to blame, for the ruled-out list; empty where nothing can be said. */
export function releaseRuledOut(scene: Scene, release: Release | null): string[] {
  const current = scene.revisions.at(-1);
  if (release !== null || current?.at == null || scene.historyId === null) return [];
  const text = {
    en: `A release: revision ${current.number} is from ${whenIs(current.at, scene)}`,
    "zh-CN": `新发布：版本 ${current.number} 是${whenIs(current.at, scene)}的`,
  };
  return (scene.startedAt ?? scene.now).getTime() - current.at.getTime() > mayBlameMs ? [text[scene.locale]] : [];
}

/** A time as it stays true on a card: from the alert where there is one. */
export function whenIs(
  at: Date | null,
  { startedAt, now, locale }: Pick<Scene, "startedAt" | "now" | "locale">,
): string {
  if (at === null) return { en: "at an unknown time", "zh-CN": "时间不明" }[locale];
  if (startedAt === null) {
    const length = span(now.getTime() - at.getTime(), locale);
    return { en: `${length} ago`, "zh-CN": `${length}前` }[locale];
  }
  const ms = startedAt.getTime() - at.getTime();
  const length = span(ms, locale);
  if (ms >= 0) return { en: `${length} before the alert`, "zh-CN": `告警前${length}` }[locale];
  return { en: `${length} after the alert began`, "zh-CN": `告警开始后${length}` }[locale];
}

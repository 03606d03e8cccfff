import type { Proposal } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import type { Locale } from "../shared/locale.ts";
import { definitionOf } from "./actions/index.ts";
import { refOf } from "./actions/target.ts";
import type { ClusterReader, Deed } from "./edges.ts";
import type { Verdict } from "./gate.ts";
import type { Store } from "./store.ts";
import { trailEntry } from "./trail.ts";

export interface Rights {
  /**
   * Where a rule says `kubernetesRights`, an approval counts only from somebody whom Kubernetes itself would let do it (SPEC 9).
   * Throws `forbidden` for who may not or has no linked identity, `unavailable` while nobody can be asked: then nothing is approved.
   * Says nothing of anything else; the gate decides.
   */
  demand(idOrCode: string, verdict: Verdict): Promise<void>;
}

interface Deps {
  store: Pick<Store, "proposals" | "users" | "transact" | "audit">;
  read: Pick<ClusterReader, "allows">;
  locale: Locale;
}

/** The channel whose identities are user names of Kubernetes. */
const channel = "kubernetes";

const words = {
  en: {
    unlinked: (name: string) => `${name} has no linked identity on channel kubernetes, which this rule asks for`,
    mayNot: (user: string, deed: string) => `Kubernetes does not let ${user} ${deed}, which this rule asks for`,
  },
  "zh-CN": {
    unlinked: (name: string) => `${name} 没有关联 kubernetes 身份，而此规则要求具备 Kubernetes 权限`,
    mayNot: (user: string, deed: string) => `Kubernetes 不允许 ${user} 执行 ${deed}，而此规则要求具备该权限`,
  },
} as const satisfies Record<Locale, unknown>;

export function createRights({ store, read, locale }: Deps): Rights {
  return { demand };

  async function demand(idOrCode: string, verdict: Verdict): Promise<void> {
    const proposal = store.proposals.find(idOrCode);
    if (proposal === null || verdict.verdict !== "approve" || proposal.requirement.kubernetesRights !== true) return;
    const { userId, username } = verdict.actor;
    const known = userId === null ? [] : store.users.identities(userId);
    const identity = known.find((one) => one.channel === channel)?.id;
    if (identity === undefined) throw refusal(proposal, verdict, words[locale].unlinked(username));
    for (const deed of deedsOf(proposal)) {
      if (await read.allows(identity, deed)) continue;
      throw refusal(proposal, verdict, words[locale].mayNot(identity, `${deed.verb} ${proposal.target}`));
    }
  }

  function refusal(proposal: Proposal, { verdict, actor }: Verdict, message: string): StewardError {
    const entry = trailEntry(proposal, {
      verb: verdict,
      status: "FAILED",
      actor,
      detail: { error: "forbidden", message },
    });
    store.transact(() => store.audit.append(entry));
    return new StewardError("forbidden", message);
  }
}

/** What the acting identity does for this action, on the object itself. */
function deedsOf({ action }: Proposal): Deed[] {
  const ref = refOf(action.namespace, action.target);
  const rules = definitionOf(action).rbac.act.filter(({ resources }) => resources.includes(ref.type.resource));
  return [...new Set(rules.flatMap(({ verbs }) => verbs))].map((verb) => ({ verb, ref }));
}

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createRights } from "../bot/rights.ts";
import type { Manifest } from "../bot/sandbox/index.ts";
import type { Actor, Requirement } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { addUser, auditRecords, type Bench, insertProposal, startBench, world } from "./action-bench.ts";

const strict: Requirement = { roles: ["admin"], approvals: 1, selfApproval: true, kubernetesRights: true };

/** carol of Kubernetes may patch deployments in payment; nobody else of it may anything. */
const rules: Manifest[] = [
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "patcher", namespace: "payment" },
    rules: [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"] }],
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "carol", namespace: "payment" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "patcher" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "carol@example.com" }],
  },
];

let bench: Bench;
before(async () => {
  bench = await startBench({ objects: [...world(), ...rules] });
});
after(() => bench.stop());

const demand = (proposalId: string, actor: Actor, verdict: "approve" | "deny" = "approve") =>
  createRights({ store: bench.store, read: bench.cluster.read, locale: "en" }).demand(proposalId, {
    verdict,
    reason: null,
    actor,
  });

function linked(name: string, user: string): Actor {
  const actor = addUser(bench.store, name, "admin");
  bench.store.transact(() => bench.store.users.link("kubernetes", user, actor.userId ?? ""));
  return actor;
}

test("with kubernetesRights an approval counts from somebody whom Kubernetes itself lets do it", async () => {
  const { id } = insertProposal(bench.store, { requirement: strict });
  await demand(id, linked("carol", "carol@example.com"));
});

test("an admin whom Kubernetes does not let do it is refused, and the attempt is on the audit", async () => {
  const { id } = insertProposal(bench.store, { requirement: strict });
  await assert.rejects(
    demand(id, linked("dave", "dave@example.com")),
    (error) => error instanceof StewardError && error.code === "forbidden" && /dave@example.com/.test(error.message),
  );
  const record = auditRecords(bench.store, { proposal: id }).at(-1);
  assert.deepEqual([record?.action_type, record?.status], ["approve_restart", "FAILED"]);
});

test("a user without a linked identity of Kubernetes is refused", async () => {
  const { id } = insertProposal(bench.store, { requirement: strict });
  await assert.rejects(demand(id, bench.admin), { code: "forbidden" });
});

test("the requirement survives the store; denying, and proposals without it, ask Kubernetes nothing", async () => {
  const asked = insertProposal(bench.store, { requirement: strict });
  assert.equal(bench.store.proposals.get(asked.id)?.requirement.kubernetesRights, true);
  await demand(asked.id, bench.admin, "deny");
  await demand(insertProposal(bench.store).id, bench.admin);
});

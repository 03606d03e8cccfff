import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Database from "better-sqlite3";
import fc from "fast-check";
import type { Approved } from "../bot/gate.ts";
import type { Action } from "../shared/action.ts";
import { Action as ActionSchema } from "../shared/action.ts";
import type { Actor, Proposal } from "../shared/approval.ts";
import { StewardError } from "../shared/errors.ts";
import { kinds } from "../shared/kube.ts";
import { parseKubectlLine } from "../shared/kubectl-line.ts";
import {
  addUser,
  auditRecords,
  type Bench,
  deployment,
  insertIncident,
  namespace,
  startBench,
  world,
  writes,
} from "./action-bench.ts";
import { until } from "./until.ts";

/** Attempts to get past the gate. Each must leave the cluster as it is. */

const restart: Action = { kind: "restart", namespace: "payment", target: "deployment/checkout" };

// "Execute something unapproved" does not compile: only the gate can make an Approved.
function forge(proposal: Proposal & { action: Action }): Approved {
  const parts = {
    proposal,
    request: { method: "PATCH", path: "", contentType: "", body: "" } as const,
    automatic: false,
  };
  // @ts-expect-error what is built by hand lacks the gate's seal
  return parts;
}

describe("a kubectl line says no more than it means", () => {
  const notUnderstood = (part: string) => (error: unknown) => {
    assert.ok(error instanceof StewardError, String(error));
    assert.equal(error.code, "not_understood", error.message);
    assert.ok(error.message.includes(part), `${error.message} names ${part}`);
    return true;
  };

  const attempts: readonly [string, string][] = [
    ["kubectl scale deploy/x --replicas=3; kubectl delete ns payment", ";"],
    ["kubectl scale deploy/x --replicas=$(id)", "$"],
    ["kubectl scale deploy/x --replicas=`id`", "`"],
    ["kubectl scale deploy/x --replicas=3 && rm", "&"],
    ["kubectl scale deploy/x --replicas=3 | sh", "|"],
    ["kubectl scale deploy/x --replicas=3 > /tmp/x", ">"],
    ["kubectl scale deploy/x\n--replicas=3", "\n"],
    ["kubectl scale deploy/x --replicas='3'", "'"],
    ['kubectl scale "deploy/x" --replicas=3', '"'],
    ["kubectl scale deploy/x --replicas=3 \\", "\\"],
    ["kubectl scale deploy/x —replicas=3", "—"],
    ["kubectl scale deploy/х --replicas=3", "х"],
    ["kubectl scale deploy/x\u200b --replicas=3", "\u200b"],
    ["kubectl scale deploy/x --replicas=3 --as=admin", "--as"],
    ["kubectl scale deploy/x --replicas=3 --as-group=system:masters", "--as-group"],
    ["kubectl --kubeconfig=/etc/k scale deploy/x --replicas=3", "--kubeconfig"],
    ["kubectl --server=https://evil scale deploy/x --replicas=3", "--server"],
    ["kubectl -s https://evil scale deploy/x --replicas=3", "-s"],
    ["kubectl -shttps://evil scale deploy/x --replicas=3", "-s"],
    ["kubectl --token=t scale deploy/x --replicas=3", "--token"],
    ["kubectl --context other scale deploy/x --replicas=3", "--context"],
    ["kubectl --insecure-skip-tls-verify scale deploy/x --replicas=3", "--insecure-skip-tls-verify"],
    ["kubectl scale deploy --all --replicas=3", "all"],
    ["kubectl scale deploy -l app=x --replicas=3", "-l"],
    ["kubectl scale deploy/x -A --replicas=3", "-A"],
    ["kubectl delete pod x --force --grace-period=0", "--force"],
    ["kubectl delete pod x --now", "--now"],
    ["kubectl delete -f x.yaml", "-f"],
    ["kubectl scale deploy/x --replicas=3 --replicas=0", "--replicas=0"],
    ["kubectl scale deploy/x -n a --namespace=kube-system --replicas=1", "kube-system"],
    ["kubectl scale deploy/x --replicas", "--replicas"],
    ["kubectl scale deploy/x --replicas --namespace=a", "--replicas"],
    ["kubectl scale deploy/x --replicas=-1", "-1"],
    ["kubectl scale deploy/x --replicas=1e3", "1e3"],
    ["kubectl scale deploy/x --replicas=99999", "99999"],
    ["kubectl scale deploy/x --replicas=3 --current-replicas=1", "--current-replicas"],
    ["kubectl scale deploy/x deploy/y --replicas=3", "deploy/y"],
    ["kubectl scale deploy/x", "--replicas"],
    ["kubectl scale secret/x --replicas=3", "secret"],
    ["kubectl scale deploy/../../secrets/x --replicas=3", "deployment/../../secrets/x"],
    ["kubectl scale deploy/X --replicas=3", "deployment/X"],
    ["kubectl scale deploy/x --replicas=3 -n Kube-System", "Kube-System"],
    ["kubectl scale constructor/x --replicas=3", "constructor"],
    ["kubectl scale __proto__/x --replicas=3", "__proto__"],
    ["kubectl rollout restart deploy/x --replicas=3", "--replicas"],
    ["kubectl rollout pause deploy/x", "rollout pause"],
    ["kubectl rollout restart pod/x", "pod/x"],
    ["kubectl delete deploy x", "deployment/x"],
    ["kubectl delete ns kube-system", "ns"],
    ["kubectl delete pod", "the name"],
    ["kubectl exec x -- sh", "--"],
    ["kubectl exec x sh", "exec"],
    ["kubectl apply -f -", "-f"],
    ["kubectl edit deploy x", "edit"],
    ["kubectl set env deploy/x A=b", "set env"],
    ["kubectl set image deploy/x app=a other=b", "other=b"],
    ["kubectl set image deploy/x app", "app"],
    ["kubectl set image deploy/x *=a", "*"],
    ["kubectl set resources deploy/x --limits=memory=1Gi", "-c"],
    ["kubectl set resources deploy/x -c app --limits=memory=much", "much"],
    ["kubectl set resources deploy/x -c app --limits=memory=1Gi,memory=2Gi", "twice"],
    ["kubectl set resources deploy/x -c app --limits=storage=1Gi", "storage"],
    ["kubectl set resources deploy/x -c app --limits=memory=1Gi,__proto__=3", "__proto__"],
    ["kubectl set resources deploy/x -c app", "neither"],
    ["kubectl", "missing"],
    ["", "missing"],
    ["rm -rf /", "-r"],
    ["please restart checkout", "please"],
  ];
  for (const [line, part] of attempts) {
    test(`refused, naming the part: ${JSON.stringify(line)}`, () => {
      assert.throws(() => parseKubectlLine(line, "default"), notUnderstood(part));
    });
  }

  const meant: readonly [string, Action][] = [
    [
      "kubectl scale deploy/x --replicas=3",
      { kind: "scale", namespace: "default", target: "deployment/x", replicas: 3 },
    ],
    [
      "kubectl scale --replicas 3 deployment x -n y",
      { kind: "scale", namespace: "y", target: "deployment/x", replicas: 3 },
    ],
    ["scale sts/x --replicas=0 --namespace=y", { kind: "scale", namespace: "y", target: "statefulset/x", replicas: 0 }],
    ["kubectl -n y rollout restart deployment x", { kind: "restart", namespace: "y", target: "deployment/x" }],
    ["kubectl -ny rollout restart daemonsets.apps/x", { kind: "restart", namespace: "y", target: "daemonset/x" }],
    ["kubectl rollout undo deploy/x", { kind: "rollback", namespace: "default", target: "deployment/x" }],
    [
      "kubectl rollout undo deploy/x --to-revision=0",
      { kind: "rollback", namespace: "default", target: "deployment/x" },
    ],
    [
      "kubectl rollout undo deploy/x --to-revision=7",
      { kind: "rollback", namespace: "default", target: "deployment/x", toRevision: 7 },
    ],
    [
      "kubectl set image deploy/x app=r.io:5000/a/b:1@sha256:0ab",
      {
        kind: "setImage",
        namespace: "default",
        target: "deployment/x",
        container: "app",
        image: "r.io:5000/a/b:1@sha256:0ab",
      },
    ],
    [
      "kubectl set resources ds/x -c=app --limits=cpu=1,memory=1Gi --requests=cpu=500m",
      {
        kind: "setResources",
        namespace: "default",
        target: "daemonset/x",
        container: "app",
        requests: { cpu: "500m" },
        limits: { cpu: "1", memory: "1Gi" },
      },
    ],
    ["  kubectl   delete \t po  x-1 ", { kind: "delete", namespace: "default", target: "pod/x-1" }],
  ];
  for (const [line, action] of meant) {
    test(`understood: ${line}`, () => assert.deepEqual(parseKubectlLine(line, "default"), action));
  }

  test("whatever is typed becomes a valid action or not_understood, never anything else", () => {
    const word = fc.constantFrom(
      "kubectl",
      "scale",
      "deploy/x",
      "deploy",
      "x",
      "--replicas=3",
      "-n",
      "y",
      "set",
      "image",
      "app=a:1",
      "rollout",
      "undo",
      "restart",
      "--to-revision",
      "2",
      "-c",
      "--limits=cpu=1",
      "delete",
      "pod",
      "--as=root",
      "",
      "--",
      "-",
      "=",
      "--=",
      "-n=",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(word, { maxLength: 9 }).map((words) => words.join(" ")),
          fc.string({ unit: "binary" }),
        ),
        (line) => {
          try {
            assert.ok(ActionSchema.safeParse(parseKubectlLine(line, "default")).success);
          } catch (error) {
            assert.ok(error instanceof StewardError && error.code === "not_understood", String(error));
          }
        },
      ),
      { numRuns: 3_000, seed: 3 },
    );
  });
});

describe("the cluster stays as it is", () => {
  let bench: Bench;
  before(async () => {
    bench = await startBench({
      objects: [
        ...world(),
        namespace("vault", { protection: "true" }),
        deployment({ namespace: "vault", name: "safe" }),
        deployment({ namespace: "payment", name: "guarded", annotations: { protection: "yes" } }),
        deployment({ namespace: "kube-system", name: "dns" }),
      ],
    });
    await until("the pods run", async () => {
      const pods = await bench.cluster.read.list({ type: kinds.pod, namespace: null });
      return (
        pods.items.length === 10 &&
        pods.items.every((pod) => JSON.stringify(pod["status"]).includes('"phase":"Running"'))
      );
    });
  });
  after(() => bench.stop());

  const wish = (action: Action, more = {}) => ({
    action,
    incidentId: null,
    origin: "person" as const,
    actor: bench.admin,
    rule: null,
    ...more,
  });
  const untouched = () => assert.deepEqual(writes(bench.sandbox), []);
  const refused = (code: StewardError["code"], words: RegExp) => (error: unknown) => {
    assert.ok(error instanceof StewardError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    return true;
  };

  const shapes: readonly [string, unknown][] = [
    ["an unknown key", { ...restart, force: true }],
    ["an unknown kind", { ...restart, kind: "exec", argv: ["sh"] }],
    ["no namespace", { kind: "restart", target: "deployment/checkout" }],
    ["a namespace with a blank", { ...restart, namespace: "payment " }],
    ["a namespace in capitals", { ...restart, namespace: "Kube-System" }],
    ["a namespace that climbs", { ...restart, namespace: "../kube-system" }],
    ["a namespace with a look-alike letter", { ...restart, namespace: "kube-ѕystem" }],
    ["a target with a path", { ...restart, target: "deployment/checkout/scale" }],
    ["a target with a query", { ...restart, target: "deployment/checkout?dryRun=All" }],
    ["a target that is encoded", { ...restart, target: "deployment/check%2fout" }],
    ["a Secret", { kind: "delete", namespace: "payment", target: "secret/db" }],
    ["a Namespace", { kind: "delete", namespace: "payment", target: "namespace/payment" }],
    ["replicas that are no number", { ...restart, kind: "scale", replicas: "3" }],
    ["a risk of its own", { ...restart, risk: "low" }],
  ];
  for (const [what, action] of shapes) {
    test(`a proposal with ${what} is refused`, async () => {
      await assert.rejects(bench.propose.propose(wish(action as Action)), refused("invalid", /./));
      untouched();
    });
  }

  const closed: readonly [string, string, RegExp][] = [
    ["kube-system", "deployment/dns", /kube-system is protected/],
    ["vault", "deployment/safe", /namespace\/vault is protected by label/],
    ["payment", "deployment/guarded", /deployment\/guarded is protected by annotation/],
    ["steward", "statefulset/steward", /own namespace/],
    ["kube-public", "deployment/x", /kube-public is protected/],
  ];
  for (const [place, target, words] of closed) {
    test(`no card is made for ${place}/${target}, and the refusal is on the audit`, async () => {
      const seen = auditRecords(bench.store, { action: "gate_refuse" }).length;
      const action: Action = { kind: "restart", namespace: place, target };
      await assert.rejects(bench.propose.propose(wish(action)), refused("refused", words));
      assert.equal(auditRecords(bench.store, { action: "gate_refuse" }).length, seen + 1);
      assert.equal(
        bench.store.proposals
          .page({ limit: 1, cursor: null, since: null, namespace: place })
          .items.find((p) => p.target === target),
        undefined,
      );
      untouched();
    });
  }

  test("a pod of a protected owner is protected", async () => {
    const pods = await bench.cluster.read.list({ type: kinds.pod, namespace: "payment", labelSelector: "app=guarded" });
    const target = `pod/${pods.items[0]?.metadata.name}`;
    await assert.rejects(
      bench.propose.propose(wish({ kind: "delete", namespace: "payment", target })),
      refused("refused", /guarded\S* is protected/),
    );
    untouched();
  });

  test("protection that cannot be read counts as protection", async () => {
    bench.sandbox.fault({ match: { method: "GET", path: /\/namespaces\/payment(\?|$)/ }, status: 403, times: 20 });
    await assert.rejects(
      bench.propose.propose(wish(restart)),
      refused("refused", /Could not read whether it is protected/),
    );
    bench.sandbox.fault({ match: { path: "never" } });
    await until("the fault has passed", async () => {
      try {
        return (await bench.cluster.read.get({ type: kinds.namespace, namespace: null, name: "payment" })) !== null;
      } catch {
        return false;
      }
    });
    untouched();
  });

  async function pending(action: Action = restart, more = {}): Promise<Proposal> {
    const proposal = await bench.propose.propose(wish(action, more));
    assert.equal(proposal.state, "pending", proposal.reason ?? "");
    return proposal;
  }

  /** Changes rows behind the store's back, as somebody with the file could. */
  function tamper(sql: string, ...values: string[]): void {
    const db = new Database(bench.path);
    db.prepare(sql).run(...values);
    db.close();
  }

  test("a pending proposal does not run, whoever asks", async () => {
    const { id } = await pending();
    await bench.execute.run(id);
    assert.equal(bench.store.proposals.get(id)?.state, "pending");
    assert.equal(bench.store.proposals.execution(id), null);
    untouched();
  });

  test("a proposal made approved without a decision does not run", async () => {
    const { id } = await pending();
    bench.store.transact(() => bench.store.proposals.move(id, "pending", "approved"));
    await bench.execute.run(id);
    assert.equal(bench.store.proposals.get(id)?.state, "refused");
    assert.match(bench.store.proposals.get(id)?.reason ?? "", /Nobody approved/);
    untouched();
  });

  for (const [what, sql] of [
    ["request", "UPDATE proposals SET request = replace(request, 'restartedAt', 'restartedBy') WHERE id = ?"],
    [
      "path",
      "UPDATE proposals SET request = replace(request, '/deployments/checkout', '/deployments/guarded') WHERE id = ?",
    ],
    ["action", `UPDATE proposals SET action = replace(action, 'checkout', 'guarded') WHERE id = ?`],
  ] as const) {
    test(`a changed ${what} does not run: it is not what was approved`, async () => {
      const { id } = await pending();
      bench.gate.decide(id, { verdict: "approve", reason: null, actor: bench.admin });
      tamper(sql, id);
      await bench.execute.run(id);
      assert.equal(
        bench.store.proposals.get(id)?.state === "refused" || bench.store.proposals.get(id)?.state === "stale",
        true,
      );
      untouched();
    });
  }

  test("nobody is Steward: a person who claims the system's name decides nothing", async () => {
    const { id } = await pending();
    const impostors: Actor[] = [
      { userId: null, username: "steward", role: null, platform: "system", clientIp: null },
      {
        userId: "rule:dev-restart-loops",
        username: "rule dev-restart-loops",
        role: "admin",
        platform: "system",
        clientIp: null,
      },
      {
        userId: bench.admin.userId?.toUpperCase() ?? "",
        username: "alice",
        role: "admin",
        platform: "api",
        clientIp: null,
      },
    ];
    for (const actor of impostors) {
      assert.throws(
        () => bench.gate.decide(id, { verdict: "approve", reason: null, actor }),
        refused("forbidden", /may not/),
      );
    }
    untouched();
  });

  test("a proposal that a person asked for is never let in by a rule", async () => {
    const incident = insertIncident(bench.store);
    const { id } = await pending(
      { kind: "restart", namespace: "dev", target: "deployment/web" },
      { incidentId: incident.id },
    );
    assert.equal(await bench.gate.admit(id), false);
    assert.equal(bench.store.proposals.get(id)?.state, "pending");
    untouched();
  });

  test("an alert's own label env=dev opens no namespace", async () => {
    const root = { kind: "Deployment", namespace: "payment", name: "checkout", uid: null, confirmed: true };
    const incident = insertIncident(bench.store, { namespace: "payment", target: "deployment/checkout", root });
    const { id } = await pending(restart, {
      incidentId: incident.id,
      origin: "autofix",
      rule: incident.rule,
      derived: [restart],
    });
    assert.equal(await bench.gate.admit(id), false);
    assert.deepEqual(
      bench.store.proposals.get(id)?.gate.reasons.map(({ code }) => code),
      ["autofix_namespace"],
    );
    assert.equal(bench.store.proposals.get(id)?.gate.allowed, true);
    untouched();
  });

  test("protection that is put on after the approval holds", async () => {
    const { id } = await pending();
    bench.gate.decide(id, { verdict: "approve", reason: null, actor: bench.admin });
    bench.sandbox.apply([namespace("payment", { protection: "true" })]);
    await bench.execute.run(id);
    bench.sandbox.apply([namespace("payment")]);
    assert.equal(bench.store.proposals.get(id)?.state, "refused");
    assert.match(bench.store.proposals.get(id)?.reason ?? "", /namespace\/payment is protected/);
    untouched();
  });

  test("a pause between the approval and the run holds", async () => {
    const { id } = await pending();
    bench.gate.decide(id, { verdict: "approve", reason: null, actor: bench.admin });
    bench.gate.pause({ for: null, namespace: "payment", autofixOnly: false, reason: "freeze" }, bench.admin);
    await bench.execute.run(id);
    bench.gate.resume(null, bench.admin);
    assert.equal(bench.store.proposals.get(id)?.state, "refused");
    untouched();
  });

  test("a hundred people clicking at once make one approval", async () => {
    const { id } = await pending();
    const crowd = Array.from({ length: 100 }, (_, i) => addUser(bench.store, `crowd${i}`, "admin"));
    const answers = await Promise.allSettled(
      crowd.map(async (actor, i) =>
        bench.gate.decide(id, { verdict: i % 2 === 0 ? "approve" : "deny", reason: null, actor }),
      ),
    );
    assert.equal(answers.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal(bench.store.proposals.decisions(id).length, 1);
  });

  test("an approval made by hand does not compile", () => {
    assert.ok(forge, "the line above it is an error that the compiler has to find");
  });
});

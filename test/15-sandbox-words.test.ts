/** The sandbox held against what a real API server answered to the same questions (test/cluster records them). */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Manifest, startSandbox } from "../bot/sandbox/index.ts";
import { ask, recordedAnswers } from "./cluster/answers.ts";
import { questions } from "./cluster/questions.ts";

/** Where the sandbox says less than the real server, and why. */
const shorter = new Map([
  ["patch of a pod's immutable field", "the real message goes on with a diff of the server's internal objects"],
]);

const node = (name: string): Manifest => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name },
  status: { allocatable: { cpu: "8", memory: "32Gi", pods: "110" }, conditions: [{ type: "Ready", status: "True" }] },
});

test("the sandbox answers in the words of the real API server", async (t) => {
  const sandbox = await startSandbox({ speed: 20, world: { objects: [node("node-0"), node("node-1")] } });
  const dir = mkdtempSync(join(tmpdir(), "sandbox-"));
  const kubeconfig = join(dir, "kubeconfig");
  writeFileSync(kubeconfig, sandbox.kubeconfig());
  const answers = await ask(kubeconfig, "answers-1", questions, 5000);
  await sandbox.stop();
  rmSync(dir, { recursive: true });
  const recorded = new Map(recordedAnswers().map((answer) => [answer.name, answer]));
  for (const answer of answers) {
    const expected = recorded.get(answer.name);
    assert.ok(expected, `no recorded answer to: ${answer.name}`);
    const why = shorter.get(answer.name);
    await t.test(why ? `${answer.name} (status only: ${why})` : answer.name, () => {
      if (why) assert.equal(answer.code, expected.code);
      else assert.deepEqual(answer, expected);
    });
  }
});

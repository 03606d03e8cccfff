import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, recordAnswers, recordedAnswers } from "./answers.ts";
import { questions } from "./questions.ts";

const kubeconfig = process.env["STEWARD_CONTRACT_KUBECONFIG"];
const record = process.env["STEWARD_RECORD_ANSWERS"] !== undefined;

test("the API server answers in the recorded words", async (t) => {
  assert.ok(kubeconfig, "STEWARD_CONTRACT_KUBECONFIG names no cluster");
  const answers = await ask(kubeconfig, `answers-${process.pid}`, questions);
  if (record) {
    recordAnswers(answers);
    t.diagnostic(`recorded ${answers.length} answers`);
    return;
  }
  const expected = new Map(recordedAnswers().map((answer) => [answer.name, answer]));
  assert.deepEqual(
    [...expected.keys()],
    answers.map(({ name }) => name),
  );
  for (const answer of answers) {
    await t.test(answer.name, () => assert.deepEqual(answer, expected.get(answer.name)));
  }
});

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createRawClient, type RawAnswer, type RawClient, type RawRequest } from "./raw-client.ts";

/** One request whose answer is fixed by the real API server. */
export interface Question {
  /** Unique; what the request is about. */
  name: string;
  request: RawRequest;
  /** Whom the kubeconfig's user impersonates. */
  as?: string;
  /** A service account of the namespace, by whose token it is asked instead of the kubeconfig's credentials. */
  by?: string;
  /** What of a successful answer is recorded. A Status is recorded whole, always. */
  keep?: (body: Readonly<Record<string, unknown>>) => unknown;
  /** Asks again until the answer is so: for what other parts of the control plane have to do first. */
  until?: (answer: RawAnswer) => boolean;
  /** Prepares the ground for later questions; not recorded. */
  setup?: true;
}

export interface Answer {
  name: string;
  /** `PATCH /apis/… as alice`; the namespace of the run is `{ns}`. */
  request: string;
  contentType?: string;
  body?: unknown;
  code: number;
  warnings?: readonly string[];
  answer: unknown;
}

/** A uid that no object has; it stands in answers as it is. */
export const noUid = "00000000-0000-0000-0000-000000000000";

const answersFile = join(import.meta.dirname, "golden/answers.json");

/** The answers of the real API server, as committed. */
export function recordedAnswers(): readonly Answer[] {
  return JSON.parse(readFileSync(answersFile, "utf8")) as Answer[];
}

/** One line each, so that a change of words shows as the lines of the questions it touches. */
export function recordAnswers(answers: readonly Answer[]): void {
  writeFileSync(answersFile, `[\n${answers.map((answer) => JSON.stringify(answer)).join(",\n")}\n]\n`);
}

/**
 * Puts the questions to a cluster, in order, and returns what it answered with whatever differs from run to run taken
 * out: the namespace `{ns}`, uids, times, resource versions.
 *
 * A preparation that fails is among the answers, so that a comparison names it; no answer at all is code 0.
 * @param deadline ms to wait for an answer, and to ask again until it is as it should be; the last one counts then
 */
export async function ask(
  kubeconfig: string,
  namespace: string,
  questions: readonly Question[],
  deadline = 30_000,
): Promise<Answer[]> {
  const client = createRawClient(kubeconfig, deadline);
  const answers: Answer[] = [];
  for (const question of questions) {
    const answer = await askOne(client, namespace, question, deadline);
    if (!question.setup || answer.code >= 300) answers.push(recorded(namespace, question, answer));
  }
  return answers;
}

async function askOne(
  client: RawClient,
  namespace: string,
  { request, as, by, until: settled = () => true }: Question,
  deadline: number,
): Promise<RawAnswer> {
  const token = by === undefined ? undefined : await tokenOf(client, namespace, by);
  if (typeof token === "object") return token;
  const whole = {
    ...request,
    headers: {
      "user-agent": "questions/1",
      ...(as === undefined ? {} : { "impersonate-user": as }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...request.headers,
    },
    anonymous: token !== undefined || request.anonymous === true,
  };
  const filled = JSON.parse(JSON.stringify(whole).replaceAll("{ns}", namespace)) as RawRequest;
  const once = () =>
    client(filled).catch((error: unknown): RawAnswer => ({ code: 0, headers: {}, body: String(error) }));
  let last = await once();
  const end = performance.now() + deadline;
  while (!settled(last) && performance.now() < end) {
    await sleep(50);
    last = await once();
  }
  return last;
}

/** A token of a service account, or the answer that is none. */
async function tokenOf(client: RawClient, namespace: string, serviceAccount: string): Promise<string | RawAnswer> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`;
  const answer = await client({ method: "POST", path, body: { spec: {} } });
  const status = isRecord(answer.body) ? answer.body["status"] : undefined;
  const token = isRecord(status) ? status["token"] : undefined;
  return typeof token === "string" ? token : answer;
}

function recorded(
  namespace: string,
  { name, request, as, by, keep }: Question,
  { code, headers, body }: RawAnswer,
): Answer {
  const contentType = request.headers?.["content-type"];
  const warning = headers["warning"];
  const warnings = typeof warning === "string" ? [warning] : (warning ?? []);
  const whole = !isRecord(body) || body["kind"] === "Status" || request.firstLine;
  return {
    name,
    request: [request.method, request.path, ...(by ? [`by ${by}`] : []), ...(as ? [`as ${as}`] : [])].join(" "),
    ...(contentType === undefined ? {} : { contentType }),
    ...(request.body === undefined ? {} : { body: request.body }),
    code,
    ...(warnings.length > 0
      ? { warnings: warnings.map((text) => steadyText(text.replaceAll(namespace, "{ns}"))) }
      : {}),
    answer: steady(whole ? body : (keep?.(body) ?? { kind: body["kind"] }), namespace),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Takes out of every string what differs from run to run. */
function steady(value: unknown, namespace: string): unknown {
  if (typeof value === "string") return steadyText(value.replaceAll(namespace, "{ns}"));
  if (Array.isArray(value)) return value.map((item) => steady(item, namespace));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, key === "resourceVersion" ? "{rv}" : steady(item, namespace)]),
  );
}

function steadyText(text: string): string {
  return text
    .replaceAll(/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g, (uid) => (uid === noUid ? uid : "{uid}"))
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "{time}")
    .replaceAll(/(ResourceVersion in (?:object meta: |record \()|resource version: \d+ \(|, current: )\d+/g, "$1{rv}")
    .replaceAll(/"\{\\"apiVersion(?:[^"\\]|\\.)*"/g, '"{object}"');
}

import type { IncomingMessage } from "node:http";
import { z } from "zod";
import type { ClusterRequest } from "../../../shared/approval.ts";
import { StewardError } from "../../../shared/errors.ts";
import { isKubeObject } from "../../../shared/kube.ts";
import type { ClusterWriter, WriteAnswer } from "../../edges.ts";
import { type Exchange, failureText, type Outgoing, readAll } from "./http.ts";
import type { Session } from "./session.ts";
import { parseJson, type Refusal, readRefusal, safeWords } from "./status.ts";

/** As long as the API server itself waits for admission webhooks (at most 30 s each) in the usual case of one slow one. */
const writeDeadlineMs = 30_000;

export function createWriter(session: Session): ClusterWriter {
  return {
    async send(request, { dryRun }, signal) {
      const outgoing = outgoingOf(request, dryRun);
      const deadline = AbortSignal.timeout(writeDeadlineMs);
      const limit = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
      if (limit.aborted) return { outcome: "not_sent", message: "stopped before it was sent" };
      const words = (failure: unknown) => {
        if (limit.aborted) return `no answer within ${writeDeadlineMs / 1_000} s or before Steward stopped`;
        return failure instanceof StewardError ? failure.message : failureText(failure);
      };
      let result: Exchange;
      try {
        result = await session.once(outgoing, limit);
      } catch (error) {
        return { outcome: "not_sent", message: words(error) };
      }
      if ("answer" in result) return answered(result.answer);
      return { outcome: result.sent ? "in_doubt" : "not_sent", message: words(result.failure) };
    },
  };
}

function outgoingOf(request: ClusterRequest, dryRun: boolean): Outgoing {
  const { method, path, contentType, body } = request;
  if (!/^\/apis?\/[A-Za-z0-9._~:%/-]+$/.test(path) || /\/\.{0,2}(\/|$)/.test(path)) {
    throw new StewardError("invalid", "the request's path is not one of an API object", { path: "request.path" });
  }
  const headers = { "Content-Type": contentType };
  if (method === "DELETE") {
    const query = dryRun ? { dryRun: "All" } : {};
    return { method, path, query, ...(body === "" ? {} : { headers, body: dryRun ? withDryRun(body) : body }) };
  }
  const query = { ...(dryRun ? { dryRun: "All" } : {}), fieldManager: "steward", fieldValidation: "Strict" };
  return { method, path, query, headers, body };
}

const DeleteOptions = z.record(z.string(), z.unknown());

/**
 * A DELETE with a body takes its options from there alone: with `dryRun` only in the query it would really delete.
 * Source: k8s.io/apiserver endpoints/handlers/delete.go.
 */
function withDryRun(body: string): string {
  const options = DeleteOptions.safeParse(parseJson(body));
  if (!options.success)
    throw new StewardError("invalid", "the body of a DELETE is not DeleteOptions", { path: "request.body" });
  return JSON.stringify({ ...options.data, dryRun: ["All"] });
}

async function answered(answer: IncomingMessage): Promise<WriteAnswer> {
  const status = answer.statusCode ?? 0;
  const body = await readAll(answer).catch(() => Buffer.alloc(0)); // the status line has decided; the rest may be lost
  if (status >= 200 && status < 300) {
    const object = parseJson(body);
    const changed = isKubeObject(object) && object.kind !== "Status" ? object : null;
    return { outcome: "done", object: changed, warnings: warningsOf(answer) };
  }
  const refusal = readRefusal(status, body);
  const message = refusal.message === "" ? `the API server answered ${status}` : refusal.message;
  return mayHaveHappened(refusal) ? { outcome: "in_doubt", message } : { outcome: "rejected", ...refusal, message };
}

/** A server error can follow a write that reached the storage (a timeout of etcd or of a proxy in between); a failed admission webhook cannot. */
function mayHaveHappened({ status, message }: Refusal): boolean {
  return status >= 500 && !/failed calling webhook|admission webhook/.test(message);
}

/** Source: RFC 7234 5.5; the API server sends `299 - "text"`. */
function warningsOf({ headersDistinct }: IncomingMessage): string[] {
  return (headersDistinct["warning"] ?? []).flatMap((header) =>
    [...header.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) =>
      safeWords(text.replace(/\\(.)/g, "$1")),
    ),
  );
}

import { StewardError } from "../../../shared/errors.ts";
import { field, listField, numberField, pathOf, stringField } from "../../../shared/kube.ts";
import type { Clock, ClusterReader, ListQuery, Log, Table } from "../../edges.ts";
import { createDiscovery } from "./discovery.ts";
import { listAll, readObject, selectionOf } from "./list.ts";
import { followLogs, readLogs } from "./logs.ts";
import type { Session } from "./session.ts";
import { parseJson, refusalError } from "./status.ts";
import { watch } from "./watch.ts";

export function createReader(session: Session, clock: Clock, log: Log): ClusterReader {
  const discovery = createDiscovery(session, clock, log);

  return {
    async get({ type, namespace, name }, signal) {
      const answer = await session.read({ method: "GET", path: pathOf(type, namespace, name) }, signal);
      if (!answer.ok) {
        if (answer.refusal.status === 404) return null;
        throw refusalError(answer.refusal);
      }
      return readObject(parseJson(answer.body), type);
    },
    list: (query, signal) => listAll(session, query, signal),
    table: (query, signal) => readTable(session, query, signal),
    logs: (query, signal) => readLogs(session, query, signal),
    followLogs: (query, onLine, signal) => followLogs({ session, clock, log }, query, onLine, signal),
    watch: (query, onEvent, signal) => watch({ session, clock, log }, query, onEvent, signal),
    resolve: (name, signal) => discovery.resolve(name, signal),
    async version(signal) {
      const answer = await session.readJson({ method: "GET", path: "/version" }, signal);
      return stringField(answer, "gitVersion") ?? "unknown";
    },
    async allows(user, { verb, ref }, signal) {
      const { group, version, resource } = ref.type;
      const resourceAttributes = { verb, group, version, resource, namespace: ref.namespace ?? "", name: ref.name };
      const review = {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: { user, resourceAttributes },
      };
      const answer = await session.readJson(
        {
          method: "POST",
          path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(review),
        },
        signal,
      );
      return field(answer, "status", "allowed") === true;
    },
  };
}

const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

async function readTable(session: Session, query: ListQuery & { name?: string }, signal?: AbortSignal): Promise<Table> {
  const { type, namespace, name } = query;
  const everywhere = type.namespaced && namespace === null;
  const answer = await session.read(
    {
      method: "GET",
      path: pathOf(type, namespace, name),
      query: {
        ...(name === undefined ? { ...selectionOf(query), limit: query.limit } : {}),
        includeObject: "Metadata",
      },
      headers: { Accept: asTable },
    },
    signal,
  );
  if (!answer.ok && answer.refusal.status === 404 && name !== undefined) return { columns: [], rows: [], remaining: 0 };
  if (!answer.ok) throw refusalError(answer.refusal);
  const table = parseJson(answer.body);
  if (stringField(table, "kind") !== "Table") {
    throw new StewardError("unsupported", `the API server prints no table of ${type.resource}`);
  }
  const columns = listField(table, "columnDefinitions").map((column) => ({
    name: stringField(column, "name") ?? "",
    priority: numberField(column, "priority") ?? 0,
  }));
  const rows = listField(table, "rows").map((row) => {
    const cells = listField(row, "cells").map(cellText);
    return everywhere ? [stringField(row, "object", "metadata", "namespace") ?? "", ...cells] : cells;
  });
  const more = stringField(table, "metadata", "continue") ?? "";
  return {
    columns: everywhere ? [{ name: "Namespace", priority: 0 }, ...columns] : columns,
    rows,
    remaining: more === "" ? 0 : (numberField(table, "metadata", "remainingItemCount") ?? 1),
  };
}

/** As kubectl prints a cell. */
function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return "<none>";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

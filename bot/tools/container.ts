import { field, listField, numberField, stringField } from "../../shared/kube.ts";
import { truncate } from "../../shared/text.ts";
import { quantities } from "./pod.ts";
import { pairs } from "./print.ts";

/** One container of a template in one line: image, limits, probes, command, where its environment comes from. */
export function containerLine(container: unknown, init: boolean): string {
  const parts = [
    `image ${stringField(container, "image") ?? "?"}`,
    `limits ${pairs(quantities(field(container, "resources", "limits")))}`,
    `requests ${pairs(quantities(field(container, "resources", "requests")))}`,
    ...["startupProbe", "readinessProbe", "livenessProbe"].flatMap((name) => {
      const probe = field(container, name);
      return probe === undefined ? [] : [`${name} ${probeText(probe)}`];
    }),
    ...(["command", "args"] as const).flatMap((name) => {
      const words = listField(container, name);
      return words.length === 0 ? [] : [`${name} ${truncate(JSON.stringify(words), 200)}`];
    }),
    ...environmentText(container),
  ];
  return `${init ? "Init container" : "Container"} ${stringField(container, "name") ?? "?"}: ${parts.join("; ")}`;
}

/** As kubectl describe writes a probe. */
export function probeText(probe: unknown): string {
  const http = field(probe, "httpGet");
  const tcp = field(probe, "tcpSocket");
  const grpc = field(probe, "grpc");
  const port = (from: unknown) => String(field(from, "port") ?? "?");
  const how =
    http !== undefined
      ? `http-get :${port(http)}${stringField(http, "path") ?? "/"}`
      : tcp !== undefined
        ? `tcp-socket :${port(tcp)}`
        : grpc !== undefined
          ? `grpc :${port(grpc)}`
          : `exec ${truncate(JSON.stringify(listField(probe, "exec", "command")), 120)}`;
  const seconds = (name: string, standard: number) => numberField(probe, name) ?? standard;
  return `${how} delay=${seconds("initialDelaySeconds", 0)}s timeout=${seconds("timeoutSeconds", 1)}s period=${seconds("periodSeconds", 10)}s failures=${seconds("failureThreshold", 3)}`;
}

function environmentText(container: unknown): string[] {
  const variables = listField(container, "env");
  const sources = listField(container, "envFrom").flatMap((source) =>
    ["configMapRef", "secretRef"].flatMap((kind) => {
      const name = stringField(source, kind, "name");
      return name === undefined ? [] : [`${kind.replace("Ref", "")} ${name}`];
    }),
  );
  const references = variables.flatMap((variable) =>
    ["configMapKeyRef", "secretKeyRef"].flatMap((kind) => {
      const name = stringField(variable, "valueFrom", kind, "name");
      return name === undefined ? [] : [`${kind.replace("KeyRef", "")} ${name}`];
    }),
  );
  const from = [...new Set([...sources, ...references])];
  if (variables.length === 0 && from.length === 0) return [];
  return [`env ${variables.length} variables${from.length === 0 ? "" : `, from ${from.join(", ")}`}`];
}

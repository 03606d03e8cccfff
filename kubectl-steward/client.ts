import { isIP } from "node:net";
import { homedir } from "node:os";
import { type Api, createApi } from "./api.ts";
import type { GlobalOptions } from "./command.ts";
import { exit, Failure } from "./exit.ts";
import { createSessions } from "./sessions.ts";
import { tunnelTransport, urlTransport } from "./transport.ts";

export interface ClientOptions {
  readonly global: GlobalOptions;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/** What was found on the way to the bot. */
export interface Connection {
  readonly api: Api;
  /** The setup token, where the kubeconfig lets it be read. */
  setupToken(): Promise<string | null>;
}

/** Finds the bot: `--server` or STEWARD_SERVER, else through the cluster of the kubeconfig. Throws Failure. */
export async function connect({ global, env, now, signal }: ClientOptions): Promise<Connection> {
  const sessions = createSessions(env, env["HOME"] || homedir(), now);
  const server = global.server ?? env["STEWARD_SERVER"];
  if (server !== undefined && server !== "") {
    const transport = urlTransport(parseServer(server, global.insecure));
    return { api: createApi(transport, sessions, signal), setupToken: async () => null };
  }
  const cluster = await open(global);
  const home = env["STEWARD_NAMESPACE"] || null;
  let pod = await cluster.findBot(home);
  const transport = tunnelTransport(
    `pod ${pod.namespace}/${pod.name} of ${cluster.name}`,
    `${cluster.name} ${pod.namespace}`,
    async () => {
      try {
        return await cluster.forward(pod);
      } catch {
        // The pod may have been replaced since: look once more before giving up.
        pod = await cluster.findBot(home ?? pod.namespace);
        return cluster.forward(pod);
      }
    },
  );
  return { api: createApi(transport, sessions, signal), setupToken: () => cluster.setupToken(pod.namespace) };
}

/** The namespace of the kubeconfig's context; `default` where there is no kubeconfig to be read. */
export async function contextNamespace(global: GlobalOptions): Promise<string> {
  try {
    return (await open(global)).namespace;
  } catch (error) {
    if (error instanceof Failure && global.kubeconfig === undefined && global.context === undefined) return "default";
    throw error;
  }
}

async function open(global: GlobalOptions) {
  const { openCluster } = await import("./cluster.ts");
  return openCluster({ kubeconfig: global.kubeconfig, context: global.context });
}

/** A password must not cross a network in the clear by oversight. */
function parseServer(text: string, insecure: boolean): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Failure(exit.usage, `--server ${text} is not a URL such as https://steward.example.com`);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new Failure(exit.usage, `--server must be http or https, not ${url.protocol}//`);
  if (url.username !== "" || url.password !== "")
    throw new Failure(exit.usage, "--server takes no user name or password: sign in with `kubectl steward login`");
  if (url.protocol === "http:" && !isLoopback(url.hostname) && !insecure) {
    throw new Failure(
      exit.usage,
      `${url.origin} is plain http and not this machine: use https, or --insecure if the way there is safe`,
    );
  }
  return url;
}

function isLoopback(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, "");
  if (address === "localhost") return true;
  return isIP(address) !== 0 && (address === "::1" || address.startsWith("127."));
}

/** A bare client of the bot's HTTP API: what `curl -b cookie` would do. Answers are plain JSON; assertions belong to the tests. */
export interface ApiAnswer {
  status: number;
  body: Record<string, unknown>;
}

export interface ApiClient {
  readonly url: string;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<ApiAnswer>;
  /** A response to be read as it comes. */
  open(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response>;
  post(path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<ApiAnswer>;
  /** Makes the first admin and keeps the session. */
  setup(token: string, username: string, password: string): Promise<ApiAnswer>;
  login(username: string, password: string): Promise<ApiAnswer>;
  /** Items of a list, all pages. */
  all(path: string): Promise<Record<string, unknown>[]>;
  /** The same session with a bot that came back at another address. */
  at(url: string): ApiClient;
}

export function createApiClient(url: string, deadlineMs = 10_000, session = ""): ApiClient {
  let cookie = session;

  async function call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer> {
    const response = await fetch(new URL(path, url), {
      method,
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(cookie === "" ? {} : { cookie }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(deadlineMs),
    });
    for (const set of response.headers.getSetCookie()) cookie = set.split(";")[0] ?? "";
    const text = await response.text();
    return {
      status: response.status,
      body: text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : { text },
    };
  }

  return {
    url,
    get: (path, headers) => call("GET", path, undefined, headers),
    open: (path, headers, signal) => fetch(new URL(path, url), { headers: { cookie, ...headers }, signal }),
    post: (path, body = {}, headers) => call("POST", path, body, headers),
    at: (moved) => createApiClient(moved, deadlineMs, cookie),
    setup: (token, username, password) => call("POST", "/api/v1/setup", { token, username, password }),
    login: (username, password) => call("POST", "/api/v1/login", { username, password }),
    async all(path) {
      const items: Record<string, unknown>[] = [];
      for (let cursor: unknown = null; ; ) {
        const joint = path.includes("?") ? "&" : "?";
        const answer = await call(
          "GET",
          typeof cursor === "string" ? `${path}${joint}cursor=${encodeURIComponent(cursor)}` : path,
        );
        if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
        items.push(...((answer.body["items"] ?? []) as Record<string, unknown>[]));
        cursor = answer.body["next"];
        if (typeof cursor !== "string") return items;
      }
    },
  };
}

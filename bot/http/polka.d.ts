/** What we use of polka 0.5.2, which ships no types. */
declare module "polka" {
  import type { IncomingMessage, Server, ServerResponse } from "node:http";

  export interface PolkaRequest extends IncomingMessage {
    /** Raw, as in the URL: decoding is ours. */
    params: Record<string, string>;
    query: Record<string, string | string[] | undefined>;
  }

  export interface Polka {
    add(method: string, path: string, handler: (request: PolkaRequest, response: ServerResponse) => void): Polka;
    handler(request: IncomingMessage, response: ServerResponse): void;
  }

  export default function polka(options: {
    server?: Server;
    onNoMatch: (request: PolkaRequest, response: ServerResponse) => void;
    onError: (error: unknown, request: PolkaRequest, response: ServerResponse) => void;
  }): Polka;
}

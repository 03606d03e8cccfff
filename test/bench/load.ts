import { connect } from "node:net";

export interface Load {
  perSecond: number;
  /** Answers by status. */
  statuses: Readonly<Record<number, number>>;
  /** Time to answer, in ms, of every request. */
  times: readonly number[];
}

/**
 * Posts as fast as the answers come, over so many kept connections, for `ms`. Written over plain sockets: an HTTP client would take more of
 * the machine than the server that is measured.
 */
export async function load(
  url: URL,
  options: { connections: number; ms: number; headers: readonly string[]; body: (n: number) => string },
): Promise<Load> {
  const statuses: Record<number, number> = {};
  const times: number[] = [];
  let sent = 0;
  const began = performance.now();
  const end = began + options.ms;
  await Promise.all(Array.from({ length: options.connections }, () => run()));
  return { perSecond: times.length / ((performance.now() - began) / 1_000), statuses, times };

  function run(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(url.port), url.hostname).setNoDelay(true);
      let answer = "";
      let begun = 0;
      const send = () => {
        if (performance.now() >= end) {
          socket.end();
          resolve();
          return;
        }
        const body = options.body(sent++);
        begun = performance.now();
        socket.write(
          `POST ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/json\r\n` +
            `${options.headers.map((line) => `${line}\r\n`).join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      };
      socket.setEncoding("latin1");
      socket.on("connect", send).on("error", reject);
      socket.on("close", () => resolve());
      socket.on("data", (chunk: string) => {
        answer += chunk;
        const split = answer.indexOf("\r\n\r\n");
        if (split === -1) return;
        const length = Number(/content-length: (\d+)/i.exec(answer)?.[1] ?? Number.NaN);
        const whole = Number.isNaN(length)
          ? answer.endsWith("0\r\n\r\n") && answer.length > split + 4
          : answer.length >= split + 4 + length;
        if (!whole) return;
        const status = Number(answer.slice(9, 12));
        statuses[status] = (statuses[status] ?? 0) + 1;
        times.push(performance.now() - begun);
        answer = "";
        send();
      });
    });
  }
}

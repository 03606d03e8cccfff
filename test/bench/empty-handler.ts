/** The least that a webhook can do: take the body in, parse it, answer. What the durable ingest is held against. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    JSON.parse(Buffer.concat(chunks).toString());
    response.writeHead(202, { "content-type": "application/json" }).end('{"receipt":"none","alerts":2}');
  });
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));

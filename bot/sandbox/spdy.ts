/**
 * SPDY/3.1 port forwarding, as kubectl speaks it: raw after an upgrade, or tunnelled in a WebSocket (1.31 and later). Each
 * connection is an error stream and a data stream that carry the same request id.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { constants, createDeflate, createInflate } from "node:zlib";
import { type RawData, WebSocketServer } from "ws";
import type { Dial } from "./portforward.ts";

export const spdyProtocol = "SPDY/3.1";
export const tunnelProtocol = "SPDY/3.1+portforward.k8s.io";

/** The header dictionary of the SPDY/3 draft: words with their length before them, then plain text. */
const words =
  "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin".split(
    " ",
  );
const rest =
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

function dictionary(): Buffer {
  const parts = words.map((word) => {
    const text = Buffer.from(word.replace("_", " "));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    return Buffer.concat([length, text]);
  });
  return Buffer.concat([...parts, Buffer.from(rest)]);
}

interface Transport {
  send(data: Buffer): void;
  close(): void;
}

interface Session {
  receive(data: Buffer): void;
  end(): void;
}

const synStream = 1;
const synReply = 2;
const rstStream = 3;
const ping = 6;
const goAway = 7;
const fin = 0x01;

function readHeaders(block: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  const next = () => {
    const value = block.readUInt32BE(at);
    at += 4;
    return value;
  };
  const text = () => {
    const length = next();
    at += length;
    return block.subarray(at - length, at).toString("utf8");
  };
  for (let left = next(); left > 0; left -= 1) {
    const name = text();
    headers.set(name, text());
  }
  return headers;
}

function control(type: number, flags: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8003);
  head.writeUInt16BE(type, 2);
  head.writeUInt32BE(((flags << 24) >>> 0) + payload.length, 4);
  return Buffer.concat([head, payload]);
}

function dataFrame(stream: number, flags: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(stream);
  head.writeUInt32BE(((flags << 24) >>> 0) + payload.length, 4);
  return Buffer.concat([head, payload]);
}

function createSession(transport: Transport, dial: Dial): Session {
  const inflater = createInflate({ dictionary: dictionary() });
  const deflater = createDeflate({ dictionary: dictionary() });
  const sockets = new Map<number, Socket>();
  const errorStreams = new Map<string, number>();
  let buffered = Buffer.alloc(0);
  let work: Promise<void> = Promise.resolve();

  /** Header blocks of a connection are one compressed stream, so each must be done before the next. */
  function pass(stream: Duplex & { flush(kind: number, done: () => void): void }, input: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      const collect = (part: Buffer) => parts.push(part);
      const fail = (error: Error) => reject(error);
      stream.on("data", collect);
      stream.once("error", fail);
      stream.write(input, () => {
        stream.flush(constants.Z_SYNC_FLUSH, () => {
          stream.off("data", collect);
          stream.off("error", fail);
          resolve(Buffer.concat(parts));
        });
      });
    });
  }

  async function open(payload: Buffer): Promise<void> {
    const id = payload.readUInt32BE(0) & 0x7fffffff;
    const headers = readHeaders(await pass(inflater, payload.subarray(10)));
    const stream = Buffer.alloc(4);
    stream.writeUInt32BE(id);
    transport.send(control(synReply, 0, Buffer.concat([stream, await pass(deflater, Buffer.alloc(4))])));
    const request = headers.get("requestid") ?? "";
    if (headers.get("streamtype") === "error") {
      errorStreams.set(request, id);
      return;
    }
    const errors = errorStreams.get(request);
    errorStreams.delete(request);
    const finish = (message: string) => {
      if (errors !== undefined) transport.send(dataFrame(errors, fin, Buffer.from(message)));
      transport.send(dataFrame(id, fin, Buffer.alloc(0)));
    };
    const port = Number(headers.get("port"));
    const target = dial(port);
    if ("refused" in target) {
      finish(target.refused);
      return;
    }
    const { socket } = target;
    sockets.set(id, socket);
    let problem = "";
    socket.on("data", (data) => transport.send(dataFrame(id, 0, data)));
    socket.on("error", (error) => {
      problem = error.message;
    });
    socket.on("close", () => {
      sockets.delete(id);
      finish(problem);
    });
  }

  async function frame(head: Buffer, payload: Buffer): Promise<void> {
    const first = head.readUInt32BE(0);
    const flags = head[4] ?? 0;
    if (first < 0x80000000) {
      const socket = sockets.get(first);
      if (payload.length > 0) socket?.write(payload);
      if (flags & fin) socket?.end();
      return;
    }
    const type = first & 0xffff;
    if (type === synStream) await open(payload);
    else if (type === ping) transport.send(control(ping, 0, payload));
    else if (type === rstStream) sockets.get(payload.readUInt32BE(0) & 0x7fffffff)?.destroy();
    else if (type === goAway) transport.close();
  }

  return {
    receive(data) {
      buffered = Buffer.concat([buffered, data]);
      while (buffered.length >= 8) {
        const length = buffered.readUInt32BE(4) & 0xffffff;
        if (buffered.length < 8 + length) break;
        const head = buffered.subarray(0, 8);
        const payload = buffered.subarray(8, 8 + length);
        buffered = buffered.subarray(8 + length);
        work = work.then(() => frame(head, payload)).catch(() => transport.close());
      }
    },
    end() {
      for (const socket of sockets.values()) socket.destroy();
      inflater.destroy();
      deflater.destroy();
    },
  };
}

export function acceptSpdy(_request: IncomingMessage, socket: Duplex, head: Buffer, dial: Dial): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${spdyProtocol}\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n`,
  );
  const session = createSession({ send: (data) => void socket.write(data), close: () => void socket.destroy() }, dial);
  if (head.length > 0) session.receive(head);
  socket.on("data", session.receive);
  socket.on("close", session.end);
}

export function acceptTunnel(request: IncomingMessage, socket: Duplex, head: Buffer, dial: Dial): void {
  const server = new WebSocketServer({ noServer: true, handleProtocols: () => tunnelProtocol });
  server.handleUpgrade(request, socket, head, (client) => {
    const session = createSession({ send: (data) => client.send(data), close: () => client.close() }, dial);
    client.on("message", (message: RawData) =>
      session.receive(
        Buffer.isBuffer(message) ? message : Array.isArray(message) ? Buffer.concat(message) : Buffer.from(message),
      ),
    );
    client.on("close", session.end);
    client.on("error", () => client.terminate());
  });
}

import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";

/** A longer line is handed on in parts: nobody reads it, and it must not fill the memory. */
const maxLine = 1024 * 1024;

/** The lines of a stream as they come; the last one also without a line break. Ends when the stream does, throws when it breaks. */
export async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const part of answer) {
    rest += Buffer.isBuffer(part) ? decoder.write(part) : "";
    for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n")) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
    if (rest.length > maxLine) {
      yield rest;
      rest = "";
    }
  }
  rest += decoder.end();
  if (rest !== "") yield rest;
}

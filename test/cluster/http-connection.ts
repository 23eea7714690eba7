/** One keep-alive HTTP/1.1 connection for load: a request's bytes out, the answer's status and body in, one at a time. */

import { createConnection, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface Target {
  readonly host: string;
  readonly port: number;
}

export function requestBytes(
  path: string,
  body: string,
  headers: Record<string, string> = {},
): Buffer {
  const lines = Object.entries({ Host: "bench", "Content-Type": "application/json", ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

export class HttpConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #resolve: ((answer: Answer) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;
  #broken: Error | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.removeAllListeners("error");
    socket.on("data", (chunk) => this.#onData(Buffer.from(chunk)));
    const fail = (error: Error) => {
      this.#broken = error;
      this.#reject?.(error);
    };
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("connection closed")));
  }

  get isOpen(): boolean {
    return this.#broken === null;
  }

  static open(target: Target, timeoutMs = 10_000): Promise<HttpConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ ...target, noDelay: true });
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new Error(`no connection to ${target.host}:${target.port} in ${timeoutMs} ms`));
      }, timeoutMs);
      socket.once("error", (error) => {
        clearTimeout(timer);
        reject(error);
      });
      socket.once("connect", () => {
        clearTimeout(timer);
        resolve(new HttpConnection(socket));
      });
    });
  }

  send(request: Buffer): Promise<Answer> {
    if (this.#broken !== null) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const answer = parseAnswer(this.#received);
    if (answer === null) return;
    this.#received = Buffer.alloc(0);
    const resolve = this.#resolve;
    this.#resolve = null;
    this.#reject = null;
    resolve?.(answer);
  }
}

/** The whole answer, or null while some of it is missing. */
function parseAnswer(received: Buffer): Answer | null {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = received.toString("latin1", 0, headEnd);
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length !== null) {
    const end = headEnd + 4 + Number(length[1]);
    return received.length < end
      ? null
      : { status, body: received.toString("utf8", headEnd + 4, end) };
  }
  const body = parseChunks(received, headEnd + 4);
  return body === null ? null : { status, body };
}

function parseChunks(received: Buffer, start: number): string | null {
  let body = "";
  let at = start;
  for (;;) {
    const lineEnd = received.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(received.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + size + 2;
    if (received.length < end) return null;
    if (size === 0) return body;
    body += received.toString("utf8", lineEnd + 2, end - 2);
    at = end;
  }
}

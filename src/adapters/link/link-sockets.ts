/** The only place that opens TLS sockets: one listener and outgoing dials, each yielding a Connection. */

import { MyceliumError, messageOf } from "../../base/index.ts";
import type { LinkCredentials } from "./certificate.ts";
import { Connection, connectionHandlers, type LinkSocket } from "./connection.ts";
import type { LinkLimits } from "./link-options.ts";

export interface SocketContext {
  readonly credentials: LinkCredentials;
  readonly limits: LinkLimits;
  nowMs(): number;
}

export interface LinkListener {
  readonly port: number;
  stop(): void;
}

export interface Dial {
  /** The attempt is of no more interest: nothing is called back. */
  cancel(): void;
}

/** `accepted` returns false to close a connection at once. Throws PORT_TAKEN or BAD_CONFIG. */
export function listenForLinks(
  host: string,
  port: number,
  context: SocketContext,
  accepted: (connection: Connection) => boolean,
): LinkListener {
  try {
    const listener = Bun.listen<{ connection: Connection | null }>({
      hostname: host,
      port,
      exclusive: true,
      tls: {
        cert: context.credentials.certificate,
        key: context.credentials.privateKey,
        requestCert: true,
        // There is no CA: the handshake reads the key from the certificate and judges that.
        rejectUnauthorized: false,
      },
      socket: {
        ...connectionHandlers(),
        open: (socket) => {
          const address = joinAddress(socket.remoteAddress, socket.remotePort);
          const connection = attach(socket, true, address, context);
          if (!accepted(connection)) connection.terminate("too many connections", null);
        },
      },
    });
    return { port: listener.port, stop: () => listener.stop() };
  } catch (error) {
    throw cannotListen(host, port, error);
  }
}

export function dialLink(
  address: string,
  context: SocketContext,
  opened: (connection: Connection) => void,
  failed: (error: MyceliumError) => void,
): Dial {
  const target = splitAddress(address);
  let cancelled = false;
  if (target === null) {
    const message = `Cannot dial "${address}": needed host:port; correct the peer's address`;
    queueMicrotask(() => !cancelled && failed(new MyceliumError("BAD_ARGUMENT", message)));
    return { cancel: () => (cancelled = true) };
  }
  const fail = (error: unknown) => {
    if (cancelled) return;
    cancelled = true;
    const message = `Cannot reach ${address}: ${messageOf(error)}`;
    failed(new MyceliumError("UNREACHABLE", message, { cause: error }));
  };
  Bun.connect<{ connection: Connection | null }>({
    hostname: target.host,
    port: target.port,
    data: { connection: null },
    tls: {
      cert: context.credentials.certificate,
      key: context.credentials.privateKey,
      rejectUnauthorized: false,
    },
    socket: {
      ...connectionHandlers(),
      open: (socket) => {
        if (cancelled) socket.terminate();
        else opened(attach(socket, false, address, context));
      },
      connectError: (_socket, error) => fail(error),
    },
  }).catch(fail);
  return { cancel: () => (cancelled = true) };
}

function attach(
  socket: LinkSocket,
  inbound: boolean,
  address: string,
  context: SocketContext,
): Connection {
  socket.setNoDelay(true);
  const connection = new Connection(socket, inbound, address, context.limits, context.nowMs);
  socket.data = { connection };
  return connection;
}

/** "host:port" or "[v6]:port"; null when it is neither. */
export function splitAddress(address: string): { host: string; port: number } | null {
  const match = /^(?:\[([0-9a-zA-Z:.%]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || port === 0 || port > 65_535 ? null : { host, port };
}

function joinAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function cannotListen(host: string, port: number, error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === "EADDRINUSE") {
    return new MyceliumError(
      "PORT_TAKEN",
      `Cannot listen for peers on ${host}:${port}: another program uses the port; stop it, or set another with --p2p-port`,
      { cause: error, details: { host, port } },
    );
  }
  return new MyceliumError(
    "BAD_CONFIG",
    `Cannot listen for peers on ${host}:${port}: ${messageOf(error)} (${String(code ?? "no such host")}); ` +
      "check --host and --p2p-port",
    { cause: error, details: { host, port } },
  );
}

/**
 * libp2p's TCP transport, whose dials can be aborted. The transport hands its abort signal to the socket as well, and
 * takes its error listener away before the socket reports the abort: an error that nobody listens for, which ends the
 * process. Here the socket is not given the signal; the transport destroys it by itself.
 */

import { tcp } from "@libp2p/tcp";

type MakeTcp = ReturnType<typeof tcp>;

interface Connecting {
  _connect(address: unknown, options: { readonly signal?: AbortSignal }): Promise<unknown>;
}

export function abortableTcp(): MakeTcp {
  const make = tcp();
  return (components) => {
    const transport = make(components);
    const inner = transport as unknown as Connecting;
    const connect = inner._connect.bind(transport);
    // The transport reads the signal by its name and copies what can be listed to the socket's options.
    inner._connect = (address, { signal, ...rest }) =>
      connect(address, Object.defineProperty(rest, "signal", { value: signal }));
    return transport;
  };
}

/** Entry point of an engine Worker: answers calls one after the other, in the order they came. */

import { type EngineCall, EngineServer } from "./engine-server.ts";
import { type AnswerMessage, type CallMessage, packFailure } from "./worker-messages.ts";

declare const self: Worker;

const server = new EngineServer();
const waiting: CallMessage[] = [];
let busy = false;

self.onmessage = (event: MessageEvent<CallMessage>) => {
  if (busy) waiting.push(event.data);
  else answer(event.data);
};

/** A synchronous call is answered at once; behind an asynchronous one the rest wait. */
function answer(call: CallMessage): void {
  try {
    const value = server.call(call.shard, call.name as EngineCall, call.args);
    if (!(value instanceof Promise)) {
      reply({ id: call.id, value });
      return;
    }
    busy = true;
    value
      .then((settled) => reply({ id: call.id, value: settled }))
      .catch((error: unknown) => reply({ id: call.id, failure: packFailure(error) }))
      .finally(next);
  } catch (error) {
    reply({ id: call.id, failure: packFailure(error) });
  }
}

function next(): void {
  busy = false;
  while (!busy) {
    const call = waiting.shift();
    if (call === undefined) return;
    answer(call);
  }
}

function reply(message: AnswerMessage): void {
  self.postMessage(message);
}

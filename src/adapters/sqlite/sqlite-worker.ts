/**
 * Entry point of an engine Worker: answers calls one after the other, in the order they came. Calls that came in one
 * message are answered in one, which halves what a message costs.
 */

import { type EngineCall, EngineServer } from "./engine-server.ts";
import { type AnswerMessage, type CallMessage, packFailure } from "./worker-messages.ts";

declare const self: Worker;

/** After a call that took longer, and for some calls, answers do not wait for what came with them. */
const SLOW_MS = 2;
const WARY_CALLS = 32;

const server = new EngineServer();
const waiting: CallMessage[] = [];
let answers: AnswerMessage[] = [];
let busy = false;
let waryCalls = 0;

self.onmessage = (event: MessageEvent<readonly CallMessage[]>) => {
  waiting.push(...event.data);
  if (!busy) answerAll();
};

/** Up to an asynchronous call, behind which the rest wait. */
function answerAll(): void {
  for (let call = waiting.shift(); call !== undefined; call = waiting.shift()) {
    if (waryCalls-- > 0) post();
    const begunMs = performance.now();
    answer(call);
    if (busy) break;
    if (performance.now() - begunMs > SLOW_MS) waryCalls = WARY_CALLS;
  }
  post();
}

function answer(call: CallMessage): void {
  const { id } = call;
  try {
    const value = server.call(call.shard, call.name as EngineCall, call.args);
    if (!(value instanceof Promise)) {
      answers.push({ id, value });
      return;
    }
    busy = true;
    value
      .then((settled) => answers.push({ id, value: settled }))
      .catch((error: unknown) => answers.push({ id, failure: packFailure(error) }))
      .finally(() => {
        busy = false;
        answerAll();
      });
  } catch (error) {
    answers.push({ id, failure: packFailure(error) });
  }
}

function post(): void {
  if (answers.length === 0) return;
  self.postMessage(answers);
  answers = [];
}

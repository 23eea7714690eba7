/** Time and timers. The simulator's clock is virtual; nothing else in the program may ask what time it is. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Unix milliseconds; may jump. For what people and signed documents see. */
  wallMs(): number;
  /** Milliseconds since some start; never falls. For timeouts. */
  monotonicMs(): number;
  /** Calls back once, not before `delayMs` has passed. A timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer;
}

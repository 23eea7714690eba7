/** Something that serves Hrana, started for a suite. */
export interface SuiteNode {
  readonly url: string;
  readonly writeToken: string;
  readonly readToken: string;
  stop(): Promise<void>;
}

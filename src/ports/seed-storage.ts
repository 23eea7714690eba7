/** A place outside the network that holds the seed spore: a file or an HTTPS URL. */

export interface SeedStorage {
  /** For people: the path or URL. */
  readonly name: string;
  readonly writable: boolean;
  /** Null when there is nothing yet. Throws UNREACHABLE, TOO_LARGE. */
  read(): Promise<Uint8Array | null>;
  /** Replaces it atomically. */
  write(content: Uint8Array): Promise<void>;
}

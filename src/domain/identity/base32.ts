/** Base32 of RFC 4648 in lower case without padding: letters that survive being read aloud, and QR codes. */

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const VALUE_OF = new Map([...ALPHABET].map((letter, value) => [letter, value]));

export function toBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let count = 0;
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xffff;
    for (count += 8; count >= 5; count -= 5) text += ALPHABET[(bits >> (count - 5)) & 31];
  }
  return count > 0 ? text + ALPHABET[(bits << (5 - count)) & 31] : text;
}

/** Whole bytes of the letters; leftover bits are dropped. Null on a letter outside the alphabet. */
export function fromBase32(text: string): Uint8Array | null {
  const bytes: number[] = [];
  let bits = 0;
  let count = 0;
  for (const letter of text) {
    const value = VALUE_OF.get(letter);
    if (value === undefined) return null;
    bits = ((bits << 5) | value) & 0xffff;
    count += 5;
    if (count >= 8) {
      count -= 8;
      bytes.push((bits >> count) & 0xff);
    }
  }
  return Uint8Array.from(bytes);
}

/** Position of the first letter that is not of the alphabet, -1 when all are. */
export function foreignLetterAt(text: string): number {
  return [...text].findIndex((letter) => !VALUE_OF.has(letter));
}

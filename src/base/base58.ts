/** Base58 with Bitcoin's alphabet (base58btc of multibase): PeerIds and SS58 addresses. */

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const VALUE_OF = new Map([...ALPHABET].map((letter, value) => [letter, value]));
/** Longer input is no key or address; the cost of decoding grows with the square of the length. */
const TEXT_LENGTH_MAX = 128;

export function toBase58(bytes: Uint8Array): string {
  const digits: number[] = [];
  for (const byte of bytes) {
    let carry = byte;
    for (let i = 0; i < digits.length; i++) {
      carry += (digits[i] ?? 0) << 8;
      digits[i] = carry % 58;
      carry = Math.floor(carry / 58);
    }
    for (; carry > 0; carry = Math.floor(carry / 58)) digits.push(carry % 58);
  }
  let zeros = 0;
  while (zeros < bytes.length && bytes[zeros] === 0) zeros++;
  return (
    "1".repeat(zeros) +
    digits
      .reverse()
      .map((digit) => ALPHABET[digit])
      .join("")
  );
}

/** Null on a letter outside the alphabet or a text over 128 letters. */
export function fromBase58(text: string): Uint8Array | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const bytes: number[] = [];
  for (const letter of text) {
    const value = VALUE_OF.get(letter);
    if (value === undefined) return null;
    let carry = value;
    for (let i = 0; i < bytes.length; i++) {
      carry += (bytes[i] ?? 0) * 58;
      bytes[i] = carry & 0xff;
      carry >>= 8;
    }
    for (; carry > 0; carry >>= 8) bytes.push(carry & 0xff);
  }
  let zeros = 0;
  while (zeros < text.length && text[zeros] === "1") zeros++;
  return new Uint8Array([...new Array<number>(zeros).fill(0), ...bytes.reverse()]);
}

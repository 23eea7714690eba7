/** Questions to native/parts.c: each is a frame, and so is its answer. */

export async function askParts(
  program: string,
  verb: string,
  questions: readonly Uint8Array[],
): Promise<Uint8Array[]> {
  const child = Bun.spawn([program, verb], {
    stdin: Buffer.concat(questions.flatMap((bytes) => [sizeOf(bytes), bytes])),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, error, status] = await Promise.all([
    new Response(child.stdout).bytes(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`parts ${verb} ended with ${status}: ${error}`);
  const answers: Uint8Array[] = [];
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  for (let at = 0; at < output.length; ) {
    const size = view.getUint32(at, true);
    answers.push(output.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return answers;
}

function sizeOf(bytes: Uint8Array): Uint8Array {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(bytes.length);
  return size;
}

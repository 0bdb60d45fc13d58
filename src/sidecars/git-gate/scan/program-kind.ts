/** Formats that a machine runs as they are, by their first bytes. */
const MAGIC: readonly (readonly [string, readonly number[]])[] = [
  ['an ELF program or library', [0x7f, 0x45, 0x4c, 0x46]],
  ['a Windows program or library', [0x4d, 0x5a]],
  ['a macOS program or library', [0xcf, 0xfa, 0xed, 0xfe]],
  ['a macOS program or library', [0xce, 0xfa, 0xed, 0xfe]],
  ['a Java class or a macOS program', [0xca, 0xfe, 0xba, 0xbe]],
  ['a WebAssembly module', [0x00, 0x61, 0x73, 0x6d]],
];

/** What kind of native program a file is, or undefined. A text that happens to begin with `MZ` is none. */
export function programKind(head: Buffer): string | undefined {
  const found = MAGIC.find(([, magic]) => magic.every((byte, index) => head[index] === byte));
  return found !== undefined && head.subarray(0, 64).includes(0) ? found[0] : undefined;
}

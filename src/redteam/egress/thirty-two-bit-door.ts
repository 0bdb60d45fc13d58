/** Where the program is loaded */
const BASE = 0x400000n;
const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;
/** `mov eax, 1; mov ebx, 42; int 0x80`: `exit(42)` by the system call of 32-bit programs */
const CODE = Buffer.from([0xb8, 1, 0, 0, 0, 0xbb, 42, 0, 0, 0, 0xcd, 0x80]);

/**
 * A static x86-64 program that calls `exit(42)` through the 32-bit door of the kernel, where calls have other numbers and a filter that
 * knows 64-bit numbers alone sees something else. Written byte by byte, so that nothing has to be compiled or shipped.
 */
export function programOfThe32BitDoor(): Buffer {
  const header = Buffer.alloc(ELF_HEADER + PROGRAM_HEADER);
  const size = BigInt(header.length + CODE.length);
  header.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(62, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BASE + BigInt(header.length), 24);
  header.writeBigUInt64LE(BigInt(ELF_HEADER), 32);
  header.writeUInt16LE(ELF_HEADER, 52);
  header.writeUInt16LE(PROGRAM_HEADER, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64);
  header.writeUInt32LE(5, 68);
  header.writeBigUInt64LE(BASE, 80);
  header.writeBigUInt64LE(BASE, 88);
  header.writeBigUInt64LE(size, 96);
  header.writeBigUInt64LE(size, 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([header, CODE]);
}

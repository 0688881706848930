import { chmod, writeFile } from 'node:fs/promises';
import { endianness } from 'node:os';

/** Instructions of `exit(geteuid())`, and the number of the architecture in an ELF header. */
const PROGRAMS: Readonly<Partial<Record<NodeJS.Architecture, { machine: number; code: readonly number[] }>>> =
  {
    // mov eax, 107; syscall; mov edi, eax; mov eax, 60; syscall
    x64: { machine: 62, code: [0xb8, 107, 0, 0, 0, 0x0f, 5, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 5] },
    // mov x8, #175; svc #0; mov x8, #93; svc #0
    arm64: {
      machine: 183,
      code: [0xe8, 0x15, 0x80, 0xd2, 1, 0, 0, 0xd4, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4],
    },
  };
const HEADERS = 64 + 56;
const ADDRESS = 0x400000n;

/**
 * Writes a program that ends with its effective user id, modulo 256, as exit code: owned by root and setuid. busybox
 * will not do: its programs give up what they get so.
 */
export async function writeSetuidProgram(path: string): Promise<void> {
  const program = PROGRAMS[process.arch];
  if (!program || endianness() !== 'LE') throw new Error(`There is no program for ${process.arch} here.`);
  const elf = Buffer.alloc(HEADERS + program.code.length);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.writeUInt16LE(2, 16); // an executable
  elf.writeUInt16LE(program.machine, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(ADDRESS + BigInt(HEADERS), 24); // where it begins
  elf.writeBigUInt64LE(64n, 32); // the table of segments
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56); // one segment: to be loaded, read and executed
  elf.writeUInt32LE(1, 64);
  elf.writeUInt32LE(5, 68);
  elf.writeBigUInt64LE(ADDRESS, 80);
  elf.writeBigUInt64LE(ADDRESS, 88);
  elf.writeBigUInt64LE(BigInt(elf.length), 96);
  elf.writeBigUInt64LE(BigInt(elf.length), 104);
  elf.writeBigUInt64LE(0x1000n, 112);
  elf.set(program.code, HEADERS);
  await writeFile(path, elf);
  await chmod(path, 0o4755);
}
